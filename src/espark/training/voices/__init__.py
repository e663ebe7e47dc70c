"""Linear models of a cohort of a few hundred patients: each is one voice, and their weighted mean is the answer."""
