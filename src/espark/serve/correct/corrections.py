"""Corrected regions as versions: a new one never replaces an older one, and two people cannot overwrite each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from filelock import FileLock

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import LABELS, Regions, load_regions, regions_from_masks, write_regions
from espark.errors import InputError, RegionError
from espark.files import write_json
from espark.serve.accounts import now
from espark.serve.images.ct_planes import LabelBlock, ShownCt, onto_ct, whole_labels
from espark.serve.workbench import CaseSource
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.types import REGIONS, ByteArray, Region
from espark.workspace.accepted_regions import (
    CorrectedRegions,
    accept_version,
    accepted_version,
    read_correction,
    record_file,
    rejected_by,
    version_file,
)

PREPARED = 0
"""Number of the version that `prepare` wrote."""


class VersionConflictError(InputError):
    """Somebody else saved a version since this one was opened."""


def versions(case: CaseSource) -> list[CorrectedRegions]:
    """The corrections of a case, the oldest first."""
    folder = case.layout.corrections(case.patient_id)
    return [read_correction(path) for path in sorted(folder.glob("v*.json"))]


def newest_version(case: CaseSource) -> int:
    """Number of the version that was saved last; 0 when nothing was corrected."""
    return max((one.version for one in versions(case)), default=PREPARED)


def regions_of(case: CaseSource, version: int) -> Regions:
    """The regions of a version, on the grid of the CT.

    Raises:
        InputError: when there is no such version.
    """
    path = case.layout.regions(case.patient_id)
    if version != PREPARED:
        path = version_file(case.layout, case.patient_id, version)
    if not path.is_file():
        raise InputError("there are no regions of this version", action="Prepare the case, or draw its regions.")
    return load_regions(path)


def versions_json(case: CaseSource) -> list[dict[str, Any]]:
    """Every version for the browser, the prepared regions first."""
    accepted, rejected = accepted_version(case.layout, case.patient_id), rejected_by(case.layout, case.patient_id)
    found: list[dict[str, Any]] = []
    if case.layout.regions(case.patient_id).is_file():
        found.append({"version": PREPARED, "accepted": accepted is None and not rejected, "rejected_by": rejected})
    found += [one.model_dump() | {"accepted": accepted == one.version} for one in versions(case)]
    return found


@dataclass(frozen=True)
class Drawing:
    """What a person drew in the browser.

    Attributes:
        labels: the labels in the order of the voxels that the browser shows.
        regions: which regions it holds.
        based_on: the version that was changed.
        person: who drew it.
        note: what the person wrote about it.
    """

    labels: LabelBlock
    regions: tuple[Region, ...]
    based_on: int
    person: str
    note: str = ""


def save_drawing(case: CaseSource, shown: ShownCt, drawing: Drawing) -> CorrectedRegions:
    """Save a drawing as the next version.

    Raises:
        VersionConflictError: when a version was saved since the one that was changed.
        InputError: when the drawing is empty, does not lie in the CT, or the CT cannot be read.
    """
    ct = read_patient_ct(case.patient.files)
    regions = regions_from_drawing(whole_labels(drawing.labels, _size(shown)), drawing.regions, shown, ct)
    record = CorrectedRegions(
        version=drawing.based_on + 1,
        regions=drawing.regions,
        person=drawing.person,
        made_at=now(),
        based_on=drawing.based_on,
        series_uid=ct.series_uid,
        note=drawing.note,
    )
    layout, patient_id = case.layout, case.patient_id
    layout.corrections(patient_id).mkdir(parents=True, exist_ok=True)
    with FileLock(layout.corrections(patient_id) / ".lock"):
        _refuse_conflict(case, drawing.based_on)
        write_regions(version_file(layout, patient_id, record.version), regions)
        write_json(record_file(layout, patient_id, record.version), record.model_dump(mode="json"))
    return record


def regions_from_drawing(labels: ByteArray, known: tuple[Region, ...], shown: ShownCt, ct: CtVolume) -> Regions:
    """Drawn labels as regions on the CT's own grid.

    Args:
        labels: (z, y, x) in the order of the voxels that the browser shows.
        known: which regions the labels hold.
        shown: the CT as the browser shows it.
        ct: the CT as it was read.

    Raises:
        RegionError: when a region is empty, or the labels do not lie on the grid of the CT.
    """
    if not set(np.unique(labels).tolist()) <= {0, *LABELS.values()}:
        raise RegionError("the drawn labels are not 0, 1 (esophagus) and 2 (tumor)")
    placed = sitk.GetArrayFromImage(onto_ct(labels, shown.grid(), ct))
    masks = {region: placed == LABELS["tumor"] if region == "tumor" else placed > 0 for region in REGIONS}
    return regions_from_masks(ct, **{region: masks[region] for region in known})


def accept(case: CaseSource, version: int) -> None:
    """Let the next `prepare` use a version; 0 for the regions without corrections.

    Raises:
        InputError: when there is no such version.
    """
    if version != PREPARED:
        regions_of(case, version)
    accept_version(case.layout, case.patient_id, None if version == PREPARED else version)


def _refuse_conflict(case: CaseSource, based_on: int) -> None:
    last = max(versions(case), key=lambda one: one.version, default=None)
    newest = PREPARED if last is None else last.version
    if newest == based_on:
        return
    action = "Your drawing is still here. Open the newest version, and draw again what is missing in it."
    if last is None or newest < based_on:
        raise VersionConflictError(f"there is no version {based_on} to draw on", action=action)
    raise VersionConflictError(
        f"{last.person} saved version {newest} at {last.made_at} while you drew on version {based_on}", action=action
    )


def _size(shown: ShownCt) -> tuple[int, int, int]:
    x, y, z = shown.geometry["size"]
    return x, y, z
