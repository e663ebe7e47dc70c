"""Models trained beside those of a study, to compare with them."""
