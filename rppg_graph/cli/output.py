"""What several commands do with the numbers they show."""

POOR = 0.3  # signal quality below which the screen warns
