"""The virtual trial as a study folder with its truth."""
