"""A CT volume: the only function that reads one."""

from __future__ import annotations

from pathlib import Path

from espark.ct.files.dicom import read_dicom
from espark.ct.files.nifti import image_file_kind, read_ct_file
from espark.ct.hounsfield import CtVolume
from espark.errors import ImageError

__all__ = ["CtVolume", "read_ct"]


def read_ct(path: Path, *, series_uid: str | None = None) -> CtVolume:
    """Read a CT in Hounsfield units.

    Args:
        path: folder of DICOM files (any depth, any names), multi-frame DICOM file, NIfTI or NRRD file.
        series_uid: DICOM series to read if a folder holds several, by its UID, number or description.

    Raises:
        ImageError: when no CT can be read from the path.

    Example:
        >>> ct = read_ct(Path("patients/p001/ct"))  # doctest: +SKIP
        >>> ct.spacing_mm  # doctest: +SKIP
        (0.9765625, 0.9765625, 3.0)
    """
    if path.is_dir():
        return read_dicom(path, series_uid=series_uid)
    if not path.is_file():
        raise ImageError("there is no such file or folder", where=path, action="Check the path.", code="E-CT-011")
    if image_file_kind(path) is not None:
        if series_uid is not None:
            raise ImageError(
                "a series was named, but the path is not DICOM",
                where=path,
                action="Leave the series UID out.",
                code="E-CT-017",
            )
        return read_ct_file(path)
    return read_dicom(path, series_uid=series_uid)
