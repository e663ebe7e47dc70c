"""A patient's CT with its regions, from whatever files the patient has."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from espark.ct.files.dicom_headers import find_series
from espark.ct.files.volume import read_ct
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions, read_regions
from espark.ct.regions.ring import with_ring
from espark.ct.regions.rtstruct import rtstruct_series_uid
from espark.ct.regions.seg import is_seg
from espark.ct.segmentation.automatic import find_regions, with_proposed_tumor
from espark.ct.segmentation.load import load_segmenter
from espark.ct.segmentation.segmenter import Segmenter
from espark.notes import Note
from espark.workspace.config import CtSettings


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


@dataclass(frozen=True, eq=False)
class PatientCt:
    """A patient's CT with its regions.

    Attributes:
        ct: the CT.
        regions: tumor and esophagus on its grid, and the ring around the tumor where one is asked for.
        segmenter: name of the segmenter that found the regions; None when the user gave them.
        region_notes: what a reader must know of regions that were found, and of the ring.
    """

    ct: CtVolume
    regions: Regions
    segmenter: str | None = None
    region_notes: tuple[Note, ...] = ()


@functools.cache
def study_segmenter(settings: CtSettings, root: Path) -> Segmenter | None:
    """The segmenter that study.toml names, loaded once in each process; None for masks only.

    Raises:
        SegmenterError: when it cannot be loaded.
    """
    return load_segmenter(settings.segmenter, weights=segmenter_weights(settings, root))


def segmenter_weights(settings: CtSettings, root: Path) -> Path | None:
    """Folder of the segmenter's weights that study.toml names; None for its usual ones."""
    return root / settings.segmenter_weights if settings.segmenter_weights else None


def has_regions(files: CtFiles) -> bool:
    """Whether the user gives any region of the patient."""
    return any(path is not None for path in (files.esophagus_mask, files.tumor_mask, files.rtstruct))


def read_ct_and_regions(
    ct: Path,
    files: CtFiles,
    segmenter: Segmenter | None = None,
    *,
    propose_tumor: bool = False,
    ring_mm: float = 0.0,
) -> PatientCt:
    """Read a patient's CT and the regions on it, or find them.

    Args:
        ct: the CT.
        files: the regions, where the user gives any.
        segmenter: finds the regions of a patient of whom none is given; None to refuse such a patient.
        propose_tumor: where the user gives the esophagus alone, take the part of it whose wall is thick as tumor.
        ring_mm: thickness of the ring around the tumor; 0 for none.

    Raises:
        ImageError: when no CT can be read.
        RegionError: when a region cannot be used, or none that can be relied on is found.
    """
    volume = read_patient_ct(ct, files.rtstruct, files.ct_series)
    if segmenter is not None and not has_regions(files):
        found = find_regions(volume, segmenter)
        ringed, notes = with_ring(volume, found.regions, ring_mm)
        return PatientCt(volume, ringed, found.segmenter, (*found.notes, *notes))
    regions = read_regions(
        volume,
        esophagus_mask=files.esophagus_mask,
        tumor_mask=files.tumor_mask,
        rtstruct=files.rtstruct,
        tumor_roi=files.tumor_roi,
        esophagus_roi=files.esophagus_roi,
    )
    regions, proposed = with_proposed_tumor(volume, regions) if propose_tumor else (regions, ())
    ringed, notes = with_ring(volume, regions, ring_mm)
    return PatientCt(volume, ringed, region_notes=(*proposed, *notes))
