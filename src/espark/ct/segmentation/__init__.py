"""From a CT to its regions: masks of the user, or one of several segmenters behind one protocol."""
