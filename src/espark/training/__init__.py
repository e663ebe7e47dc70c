"""Folds, preprocessing fitted in the fold, fitting."""
