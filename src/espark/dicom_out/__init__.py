"""Results as DICOM objects that a PACS stores and a viewer shows."""
