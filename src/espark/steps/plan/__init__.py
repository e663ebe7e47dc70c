"""How many patients a study needs: learning curves and the minimum sample size of a prediction model."""
