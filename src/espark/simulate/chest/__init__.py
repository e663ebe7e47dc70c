"""The simulated CT: a phantom of the chest and its DICOM files."""
