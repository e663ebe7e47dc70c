"""From the vectors of the modalities to one answer."""
