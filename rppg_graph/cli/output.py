"""What several commands do with the numbers they show."""

WIDEST_BPM = 10.0  # of a half-width that the screen shows: a wider interval says no more than the certainty
POOR = 0.3  # signal quality below which the screen warns
