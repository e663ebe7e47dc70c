"""Torch modules: tensors in, tensors out. They do not open files."""
