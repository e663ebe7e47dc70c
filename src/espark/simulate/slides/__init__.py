"""The simulated whole-slide image."""
