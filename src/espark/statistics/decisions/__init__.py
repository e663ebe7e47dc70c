"""What a model changes in the decisions about patients."""
