"""DICOM, NIfTI and NRRD files to a CT in Hounsfield units."""
