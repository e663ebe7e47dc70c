"""Cells by a probe on any encoder's vectors, and whether the tissue of a slide is known to the encoder."""
