"""A patient's CT with its regions, from the files that the patient has."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

from espark.bundle.card import SegmenterCard
from espark.ct.body_size import check_body
from espark.ct.files.dicom_series import find_series
from espark.ct.files.volume import read_ct
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.judgement import judge
from espark.ct.regions.regions import Regions, read_regions
from espark.ct.regions.ring import with_ring
from espark.ct.regions.rtstruct import rtstruct_series_uid
from espark.ct.regions.seg import is_seg, seg_series_uid
from espark.ct.segmentation.automatic import find_regions, with_proposed_tumor
from espark.ct.segmentation.load import load_segmenter
from espark.ct.segmentation.segmenter import Segmenter
from espark.ct.segmentation.weights_identity import weights_identity
from espark.errors import ImageError, RegionError, SegmenterError
from espark.notes import Note
from espark.types import Outline
from espark.workspace.config import CtSettings
from espark.workspace.patient_files import PatientFiles


def read_patient_ct(files: PatientFiles) -> CtVolume:
    """Read a CT; of several series in a folder, the one that is named, or else on which the regions were drawn.

    Raises:
        ImageError: when there is no CT, it cannot be read, or its voxels cannot have the size that it gives.
        RegionError: when an RTSTRUCT or SEG cannot be read, or they were drawn on several series.
    """
    if files.ct is None:
        raise ImageError("there is no CT")
    volume = _series_of(files.ct, files)
    try:
        return replace(volume, notes=(*volume.notes, *check_body(volume)))
    except ImageError as error:
        raise error.at(files.ct) from None


def _series_of(ct: Path, files: PatientFiles) -> CtVolume:
    if files.ct_series is not None:
        return read_ct(ct, series_uid=files.ct_series)
    drawn_on = _drawn_on(files) if ct.is_dir() else set()
    if not drawn_on:
        return read_ct(ct)
    there = {series.uid for series in find_series(ct)[0]} & drawn_on
    if len(there) > 1:
        raise RegionError(
            f"the regions were drawn on {len(there)} different CT series",
            where=ct,
            expected="tumor and esophagus drawn on one series",
            action="Name the series as ct_series, or give regions that belong together.",
            code="E-REGION-018",
        )
    if there:
        return read_ct(ct, series_uid=there.pop())
    volume = read_ct(ct)
    text = "The regions name another CT series than those in the folder; whether they fit was judged by their place."
    return replace(volume, notes=(*volume.notes, Note("N-REGION-018", text)))


def _drawn_on(files: PatientFiles) -> set[str]:
    """The CT series that the RTSTRUCT and the segmentations of a patient name."""
    given = [path for path in (files.rtstruct, files.tumor_mask, files.esophagus_mask) if path is not None]
    found = {seg_series_uid(path) for path in given if is_seg(path)}
    if files.rtstruct is not None and files.rtstruct.is_file() and not is_seg(files.rtstruct):
        found.add(rtstruct_series_uid(files.rtstruct))
    return {uid for uid in found if uid is not None}


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
    """Folder of the segmenter's weights that study.toml names; None for the default weights."""
    return root / settings.segmenter_weights if settings.segmenter_weights else None


def weights_here(settings: CtSettings, root: Path) -> str:
    """What identifies the weights of the segmenter that study.toml names; empty when they are not on this machine."""
    try:
        return weights_identity(settings.segmenter, segmenter_weights(settings, root))
    except SegmenterError:
        return ""


def bundle_segmenter(card: SegmenterCard, weights: Path | None) -> Segmenter | None:
    """The segmenter that a bundle names; None for ``masks``.

    Args:
        card: what identifies it.
        weights: folder of its weights, where they are not the default weights of this machine.

    Raises:
        SegmenterError: when it cannot be loaded, or has other weights.
    """
    if weights_identity(card.name, weights) != card.weights:
        raise SegmenterError(
            f"these are not the weights of {card.name} that found the regions of the model's patients",
            where=weights or "default weights",
            action="Give the folder of the study's weights with --segmenter-weights.",
        )
    return load_segmenter(card.name, weights=weights)


def read_ct_and_regions(
    files: PatientFiles,
    segmenter: Segmenter | None = None,
    *,
    propose_tumor: bool = False,
    ring_mm: float = 0.0,
    outline: Outline = "polygon",
) -> PatientCt:
    """Read a patient's CT and the regions on it, or find them.

    Args:
        files: the CT, and its regions where the user gives any.
        segmenter: finds the regions of a patient without given regions; None to refuse such a patient.
        propose_tumor: where the user gives the esophagus alone, take the part of it whose wall is thick as tumor.
        ring_mm: thickness of the ring around the tumor; 0 for none.
        outline: which voxels belong to a contour of an RTSTRUCT.

    Raises:
        ImageError: when there is no CT, or it cannot be read.
        RegionError: when a region cannot be used, none that can be relied on is found, or a person rejected them.
    """
    if files.rejected_by:
        raise RegionError(
            f"{files.rejected_by} rejected the regions of this CT in the workbench",
            action="Draw the regions in the workbench, save and accept them; or accept the regions as prepared again.",
            code="E-REGION-030",
        )
    volume = read_patient_ct(files)
    if segmenter is not None and not files.has_regions:
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
        outline=outline,
    )
    given = (*regions.notes, *judge(volume, regions))
    regions, proposed = with_proposed_tumor(volume, regions) if propose_tumor else (regions, ())
    ringed, notes = with_ring(volume, regions, ring_mm)
    return PatientCt(volume, ringed, region_notes=(*given, *proposed, *notes))
