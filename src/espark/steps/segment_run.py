"""``segment run``: the regions of one CT as files, with a picture of every level and everything that is doubted."""

from __future__ import annotations

from pathlib import Path

from espark.ct.files.nifti import write_image_file
from espark.ct.preview import axial_levels
from espark.ct.segmentation.automatic import AutomaticRegions, find_regions
from espark.ct.segmentation.load import load_segmenter
from espark.errors import InputError
from espark.files import write_json
from espark.plots.ct.levels import ct_levels_figure
from espark.plots.style import save_figure
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.types import REGIONS, Region
from espark.workspace.patient_files import PatientFiles

_LEVEL_MM = 9.0
_WIDTH_MM = 120.0


def run_segmenter(
    ct_path: Path, out: Path, *, segmenter: str = "espark-mini-seg", weights: Path | None = None
) -> AutomaticRegions:
    """Find the regions of one CT, and write them.

    Args:
        ct_path: DICOM folder, NIfTI or NRRD file.
        out: folder for ``<region>.nii.gz``, ``regions.json`` and the figure ``levels``.
        segmenter: a name in `espark.ct.segmentation.catalogue.SEGMENTERS`, not ``masks``.
        weights: folder of its weights; None for the default weights.

    Returns:
        What was found, with notes and doubts.

    Raises:
        InputError: when the CT cannot be used, the segmenter cannot be loaded, or no region can be relied on.
    """
    loaded = load_segmenter(segmenter, weights=weights)
    if loaded is None:
        raise InputError("the user's masks are not a segmenter", action="Name another one.")
    ct = read_patient_ct(PatientFiles(ct=ct_path))
    found = find_regions(ct, loaded)
    out.mkdir(parents=True, exist_ok=True)
    origin = {scale: region_origin(scale, found) for scale in REGIONS if scale in found.regions.scales}
    for scale, words in origin.items():
        write_image_file(out / f"{scale}.nii.gz", found.regions.mask(scale), note=f"{scale}, {words}")
    write_json(out / "regions.json", {
        "segmenter": found.segmenter,
        "simulated": ct.simulated,
        "regions": {
            scale: {"volume_ml": round(found.regions.volume_ml(scale), 2), "origin": words}
            for scale, words in origin.items()
        },
        "notes": [note.to_json() for note in (*ct.notes, *found.notes)],
    })  # fmt: skip
    legend = {scale: f"{scale}, {words}, {found.regions.volume_ml(scale):.1f} ml" for scale, words in origin.items()}
    planes = axial_levels(ct, found.regions, step_mm=_LEVEL_MM, width_mm=_WIDTH_MM)
    save_figure(ct_levels_figure(planes, legend=legend), out / "levels")
    return found


def region_origin(scale: Region, found: AutomaticRegions) -> str:
    """Where an automatic region comes from, in words for the reader: nobody outlined it."""
    proposed = scale == "tumor" and any(note.code == "N-REGION-003" for note in found.notes)
    return "proposed by the wall rule" if proposed else "automatic"
