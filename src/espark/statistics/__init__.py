"""Numbers only: arrays in, estimates with their intervals out. No file is opened and nothing is drawn."""
