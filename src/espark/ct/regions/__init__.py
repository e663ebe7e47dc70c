"""Masks and contours to the regions of a CT, and what is plausible for them."""
