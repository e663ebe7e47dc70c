"""A patient measured again after small changes of the contour and the slices."""
