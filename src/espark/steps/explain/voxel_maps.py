"""Voxel maps of the texture features that move a patient's answer most, over the CT."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from espark.bundle.bundle import Bundle
from espark.ct.features.feature_words import in_words, parse_feature_name, unit_of
from espark.ct.features.radiomics import RadiomicsSettings
from espark.ct.features.voxel_maps import voxel_map
from espark.ct.hounsfield import CtVolume
from espark.ct.preview import Point, three_planes, values_on_plane
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import Regions, load_regions
from espark.ct.regions.ring import with_ring
from espark.errors import EsparkError, FeatureError, MissingStepError
from espark.files import atomic_path, check_compressed, fingerprint, write_json
from espark.plots.ct.voxel_maps import ShownMap, voxel_map_figure
from espark.plots.style import save_figure
from espark.report.picture import Picture
from espark.steps.explain.ct_pair import ct_evidence
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.steps.prepare.prepare import radiomics_settings
from espark.training.inputs import Inputs
from espark.types import Scale, Unseen
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_content

FEATURES = 3

_TEXTURE = ("glcm", "gldm", "glrlm", "glszm", "ngtdm")
_MOST_SECONDS = 10.0
_MOST_LEFT_OUT = 20  # even the check that a map takes too long needs some time
_SHOWN_MM = 120.0
_BLOB_MM = 10.0
_FIGURE, _TABLE = "voxel-maps", "maps.json"


@dataclass(frozen=True)
class _Candidate:
    """A texture feature of a patient."""

    scale: Scale
    feature: str
    attribution: float


@dataclass(frozen=True)
class _LeftOut:
    """A texture feature that was left out, and why."""

    scale: Scale
    feature: str
    reason: str


def draw_voxel_maps(
    workspace: Workspace, bundle: Bundle, one: Inputs, fold: Unseen | None, *, features: int = FEATURES
) -> Path:
    """Write maps (NIfTI), the figure and ``maps.json`` to ``explain/voxel-maps/<patient>/``.

    It draws the texture features with the largest absolute attribution, over all scales. A feature is left out when its
    map would take longer than ten seconds; ``maps.json`` lists it.

    Args:
        workspace: the opened study.
        bundle: the model that is explained.
        one: the patient.
        fold: the members that did not see a development patient; None for all members.
        features: how many, at most.

    Returns:
        The folder.

    Raises:
        EsparkError: when the CT cannot be read.
        FeatureError: when no texture feature can be shown.
    """
    patient_id = one.patient_ids[0]
    patient, layout = workspace.cohort[patient_id], workspace.layout
    if patient.files.ct is None:
        raise MissingStepError(f"patient '{patient_id}' has no CT", where=layout.cohort)
    ct = read_patient_ct(patient.files)
    regions, _ = with_ring(ct, load_regions(layout.regions(patient_id), ct), workspace.config.ct.ring_mm)
    settings = radiomics_settings(workspace.config.ct)
    shown: list[tuple[_Candidate, sitk.Image]] = []
    left_out: list[_LeftOut] = []
    for candidate in _candidates(bundle, one, fold):
        if len(shown) == features or len(left_out) == _MOST_LEFT_OUT:
            break
        try:
            shown.append((candidate, _map(ct, regions, candidate, settings)))
        except FeatureError as error:
            left_out.append(_LeftOut(candidate.scale, candidate.feature, error.found))
    if not shown:
        raise FeatureError(
            f"no texture feature of '{patient_id}' has a map ({len(left_out)} were left out)",
            expected="PyRadiomics features, computed by espark, that add something to the answer and need at most "
            f"{_MOST_SECONDS:g} s for their map",
        )
    folder = layout.voxel_maps(patient_id)
    _clear(folder)
    rows = [_write_map(folder, number, *entry) for number, entry in enumerate(shown, start=1)]
    drawn = [_shown(ct, regions, *entry) for entry in shown]
    title = f"{patient_id}: texture features that move the answer most"
    save_figure(voxel_map_figure(drawn, title=title), folder / _FIGURE)
    model = bundle.card.model
    write_json(
        folder / _TABLE,
        {"model": model, "made_from": _made_from(layout, model, patient_id), "maps": rows,
         "left_out": [asdict(entry) for entry in left_out]},
    )  # fmt: skip
    return folder


def voxel_map_picture(layout: StudyLayout, model: str, patient_id: str) -> Picture | None:
    """The figure for the patient's page; None when it was not requested, or the model or the CT has changed since."""
    folder = layout.voxel_maps(patient_id)
    if not (folder / _TABLE).exists():
        return None
    table = stored_content(layout, folder / _TABLE, "model", "made_from", "maps", "left_out")
    if table["model"] != model or table["made_from"] != _made_from(layout, model, patient_id):
        return None
    said = "".join(
        f" Left out: {entry['scale']}, {in_words(entry['feature'])} ({entry['reason']})." for entry in table["left_out"]
    )
    return Picture(
        png=(folder / f"{_FIGURE}.png").read_bytes(),
        svg=None,
        alt=f"{len(table['maps'])} texture features over the CT in axial, coronal and sagittal planes",
        caption="Texture features that moved the answer most, around every voxel of their region (3 × 3 × 3 voxels of "
        "the grid of the features), in planes through the place where their mean over about 1 cm is highest; the color "
        f"bar leaves out the lowest and highest 2 %. The mean of a map is not the feature itself.{said}",
    )


def _candidates(bundle: Bundle, one: Inputs, fold: Unseen | None) -> list[_Candidate]:
    """Texture features by absolute attribution, largest first; without features that add nothing."""
    values, _ = ct_evidence(bundle, one, fold)
    names = [(scale, name) for scale, part in zip(one.scales, one.feature_names, strict=True) for name in part]
    order = np.argsort(-np.abs(values), kind="stable")
    found = [(*names[index], float(values[index])) for index in order if values[index] != 0]
    return [_Candidate(scale, name, value) for scale, name, value in found if parse_feature_name(name).kind in _TEXTURE]


def _map(ct: CtVolume, regions: Regions, candidate: _Candidate, settings: RadiomicsSettings) -> sitk.Image:
    try:
        mask = regions.mask(candidate.scale)
        return voxel_map(ct, mask, candidate.feature, settings, most_seconds=_MOST_SECONDS)
    except FeatureError:
        raise
    except EsparkError as error:
        raise FeatureError(str(error)) from error


def _write_map(folder: Path, number: int, candidate: _Candidate, values: sitk.Image) -> dict[str, Any]:
    """Write one map and return its entry for ``maps.json``."""
    name = f"{number}-{candidate.scale}-{candidate.feature}.nii.gz"
    with atomic_path(folder / name) as temporary:
        sitk.WriteImage(values, str(temporary), useCompression=True)
        check_compressed(temporary)
    there = sitk.GetArrayFromImage(values)
    there = there[np.isfinite(there)]
    return asdict(candidate) | {
        "file": name,
        "words": in_words(candidate.feature),
        "unit": unit_of(candidate.feature),
        "voxels": len(there),
        "lowest": float(there.min()),
        "highest": float(there.max()),
    }


def _shown(ct: CtVolume, regions: Regions, candidate: _Candidate, values: sitk.Image) -> ShownMap:
    extent = describe_region(ct, regions.mask(candidate.scale)).length_mm
    planes = three_planes(ct, regions, centre=_hottest(values), width_mm=min(_SHOWN_MM, extent + 60.0))
    on_planes = [values_on_plane(values, plane) for plane in planes]
    return ShownMap(candidate.feature, candidate.scale, candidate.attribution, planes, on_planes)


def _hottest(values: sitk.Image) -> Point:
    """Point in mm (LPS) around which a map is highest: its mean over about one centimeter, inside the region."""
    array = sitk.GetArrayFromImage(values)
    inside = np.isfinite(array)
    sigma = [_BLOB_MM / 2 / mm for mm in values.GetSpacing()[::-1]]
    weight = gaussian_filter(inside.astype(np.float64), sigma)
    smooth = gaussian_filter(np.where(inside, array, 0.0), sigma) / np.maximum(weight, 1e-12)
    place = np.unravel_index(int(np.argmax(np.where(inside, smooth, -np.inf))), array.shape)
    x, y, z = values.TransformIndexToPhysicalPoint([int(n) for n in place[::-1]])
    return (x, y, z)


def _made_from(layout: StudyLayout, model: str, patient_id: str) -> dict[str, str]:
    """Hashes of what the maps were made from."""
    return {"model": fingerprint(layout.model(model)), "ct": fingerprint(layout.record(patient_id, "ct"))}


def _clear(folder: Path) -> None:
    """Delete the maps of an earlier request, the table first."""
    for path in (folder / _TABLE, *folder.glob("*.nii.gz"), *folder.glob(f"{_FIGURE}.*")):
        path.unlink(missing_ok=True)
