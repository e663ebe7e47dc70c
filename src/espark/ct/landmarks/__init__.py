"""Landmarks of the chest, found in the CT itself and without a network: spine, lungs, windpipe and aorta."""
