"""One trained fold of each model."""
