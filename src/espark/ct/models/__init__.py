"""What may serve as MScaleCT: a network over the scales of a CT, and perhaps numbers of its own from the image."""
