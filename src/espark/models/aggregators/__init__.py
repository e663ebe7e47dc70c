"""From the tiles of a patient to one vector and one answer."""
