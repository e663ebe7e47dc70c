"""Fits the segmenter to labelled scans."""
