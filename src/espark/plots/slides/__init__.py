"""Figures of slides, tiles and cell types."""
