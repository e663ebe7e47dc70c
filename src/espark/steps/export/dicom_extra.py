"""Whether the libraries of the extra ``dicom`` are installed."""

from __future__ import annotations

import importlib.util

from espark.errors import DicomError

_LIBRARIES = ("highdicom", "pynetdicom", "dicomweb_client", "dicomanonymizer")


def check_dicom() -> None:
    """Check that DICOM objects can be written and sent here, before hours of work.

    Raises:
        DicomError: when a library is missing, with the step to get it.
    """
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise DicomError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            action='Install what DICOM needs with `pip install "espark[dicom]"`.',
        )
