"""Attributions, attention, cell types, biomarkers: numbers only."""
