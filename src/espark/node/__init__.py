"""DICOM over the network: images come in, results go out, and nothing is lost between."""
