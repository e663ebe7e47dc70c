"""One new patient."""
