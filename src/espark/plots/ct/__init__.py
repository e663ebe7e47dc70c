"""Figures of CTs and their features."""
