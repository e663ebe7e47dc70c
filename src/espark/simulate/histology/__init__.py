"""The simulated tissue, tile by tile."""
