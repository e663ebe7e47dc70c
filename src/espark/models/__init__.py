"""Torch modules: tensors in, tensors out; no file is opened here."""
