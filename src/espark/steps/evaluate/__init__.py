"""Predictions to metrics, comparisons and figures."""
