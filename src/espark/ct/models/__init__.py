"""CT models for MScaleCT: a network over the scales of a CT, optionally with its own numbers from the image."""
