"""A trained network as one file that runs without this project: its dense form, the file formats, and the check."""
