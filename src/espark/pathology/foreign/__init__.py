"""Tile features that other programs made."""
