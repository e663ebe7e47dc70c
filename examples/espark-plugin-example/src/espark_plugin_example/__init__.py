"""One aggregator, fusion, encoder, segmenter and CT model for espark, to copy from. Not for real patients."""
