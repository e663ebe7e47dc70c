"""A patient's CT with its regions, from whatever files the patient has."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from espark.ct.dicom_headers import find_series
from espark.ct.hounsfield import CtVolume
from espark.ct.regions import Regions, read_regions
from espark.ct.rtstruct import rtstruct_series_uid
from espark.ct.seg import is_seg
from espark.ct.volume import read_ct


class CtFiles(Protocol):
    """The files of a patient's CT."""

    @property
    def esophagus_mask(self) -> Path | None: ...  # noqa: D102
    @property
    def tumor_mask(self) -> Path | None: ...  # noqa: D102
    @property
    def rtstruct(self) -> Path | None: ...  # noqa: D102
    @property
    def tumor_roi(self) -> str | None: ...  # noqa: D102
    @property
    def esophagus_roi(self) -> str | None: ...  # noqa: D102
    @property
    def ct_series(self) -> str | None: ...  # noqa: D102


def read_patient_ct(ct: Path, rtstruct: Path | None, series: str | None = None) -> CtVolume:
    """Read a CT; of several series in a folder, the one that is named, or else on which the contours were drawn.

    Raises:
        ImageError: when no CT can be read.
        RegionError: when the RTSTRUCT cannot be read.
    """
    if series is not None:
        return read_ct(ct, series_uid=series)
    if ct.is_dir() and rtstruct is not None and rtstruct.is_file() and not is_seg(rtstruct):
        uid = rtstruct_series_uid(rtstruct)
        if uid is not None and uid in {series.uid for series in find_series(ct)[0]}:
            return read_ct(ct, series_uid=uid)
    return read_ct(ct)


def read_ct_and_regions(ct: Path, files: CtFiles) -> tuple[CtVolume, Regions]:
    """Read a patient's CT and the regions on it.

    Raises:
        ImageError: when no CT can be read.
        RegionError: when a region cannot be used.
    """
    volume = read_patient_ct(ct, files.rtstruct, files.ct_series)
    regions = read_regions(
        volume,
        esophagus_mask=files.esophagus_mask,
        tumor_mask=files.tumor_mask,
        rtstruct=files.rtstruct,
        tumor_roi=files.tumor_roi,
        esophagus_roi=files.esophagus_roi,
    )
    return volume, regions
