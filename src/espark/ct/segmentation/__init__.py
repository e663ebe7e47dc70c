"""From a CT to its regions: masks of the user, or one of several segmenters with the same interface."""
