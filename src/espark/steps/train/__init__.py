"""Prepared features to trained models and predictions."""
