"""Radiomic features of the regions, computed here or elsewhere."""
