"""Who the simulated patients are: biology, centers, clinical values, true probabilities."""
