"""Drawings of a page that are made of places and texts."""
