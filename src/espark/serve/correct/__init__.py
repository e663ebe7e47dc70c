"""Corrected regions: saved as versions, and the answer that follows from them."""
