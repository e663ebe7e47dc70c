"""The study folder as data: its configuration, its patients, where each artefact lies, and its records."""
