"""Results of patients in the formats of other systems."""
