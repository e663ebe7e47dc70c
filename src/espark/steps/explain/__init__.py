"""Why the models answer as they do: figures and tables."""
