"""The part of an automatic esophagus that the landmarks of the CT and the network's own certainty support."""
