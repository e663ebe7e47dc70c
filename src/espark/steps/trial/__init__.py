"""The virtual trial and the demonstration."""
