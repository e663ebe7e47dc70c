"""Explanations of the models' answers: figures and tables."""
