"""The models as scikit-learn estimators: a study without files."""
