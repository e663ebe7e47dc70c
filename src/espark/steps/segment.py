"""The segmenter on a user's own masks: fit it to them, and measure it against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from espark._version import __version__
from espark.ct.files.nifti import image_file_kind
from espark.ct.hounsfield import CtVolume
from espark.ct.preview import three_planes
from espark.ct.regions.regions import Regions
from espark.ct.segmentation.automatic import AutomaticRegions, find_regions
from espark.ct.segmentation.fit.cases import scan_of
from espark.ct.segmentation.fit.network_fit import SegmenterFit, fit_segmenter
from espark.ct.segmentation.load import load_segmenter
from espark.ct.segmentation.segmenter import Segmenter
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE, load_network, save_network
from espark.errors import EsparkError, InputError, RegionError
from espark.files import write_csv, write_json
from espark.models.devices import choose_device
from espark.plots.ct.planes import ct_planes_figure
from espark.plots.style import save_figure
from espark.statistics.overlap import Overlap, mean_estimate, overlap
from espark.steps.prepare.patient_ct import read_ct_and_regions
from espark.types import REGIONS
from espark.work.progress import Reporter
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import open_workspace
from espark.workspace.patient_files import PatientFiles

FIT_STEPS = 600
_FIT_LEARNING_RATE = 1e-3
_NEAR_MM = 120.0
_COLUMNS = ["patient_id", "cohort", "region", "dice", "surface_dice", "hd95_mm", "found_ml", "given_ml", "note"]
_SUMMARY_COLUMNS = ["cohort", "region", "metric", "n", "mean", "ci_low", "ci_high", "method"]


@dataclass(frozen=True)
class MaskedCt:
    """A CT with masks of the user.

    Attributes:
        patient_id: whose.
        cohort: cohort of a study; the folder's name otherwise.
        files: the CT and its masks.
    """

    patient_id: str
    cohort: str
    files: PatientFiles


def masked_cts(source: Path) -> list[MaskedCt]:
    """The CTs of a study, or of a folder of files, that have masks.

    Args:
        source: a study folder; or a folder with ``<name>_ct`` and ``<name>_esophagus``, ``<name>_tumor`` or both, as
            NIfTI or NRRD.

    Raises:
        InputError: when there is none.
    """
    found = _of_study(source) if StudyLayout(source).config.is_file() else _of_folder(source)
    if not found:
        raise InputError(
            "there is no CT with a mask",
            where=source,
            expected="a study with masks, or files <name>_ct.nii.gz beside <name>_esophagus.nii.gz or "
            "<name>_tumor.nii.gz",
        )
    return found


def train_segmenter(
    source: Path,
    out: Path,
    *,
    steps: int = FIT_STEPS,
    seed: int = 1000,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Fit the embedded network, from its shipped weights on, to a user's own masks.

    Of a study, only development patients are used. Killed at any moment, it continues from its last checkpoint.

    Args:
        source: see `masked_cts`.
        out: folder of the new weights, to be named in ``[ct] segmenter_weights``.
        steps: optimizer steps.
        seed: of the patches.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        reporter: shows the progress.

    Returns:
        The file of the weights.

    Raises:
        InputError: when no CT with a mask can be read.
        DeviceError: when the device is not there.
    """
    reporter, where = reporter or Reporter(), choose_device(device)
    cases = [case for case in masked_cts(source) if case.cohort not in _held_out(source)]
    scans, failures = [], []
    with reporter.track("reading CTs", len(cases)) as advance:
        for case in cases:
            try:
                read = read_ct_and_regions(case.files)
                scans.append(scan_of(case.patient_id, read.ct, read.regions))
            except EsparkError as error:
                failures.append(f"{case.patient_id}: {error}")
                reporter.say(failures[-1])
            advance()
    if not scans:
        raise InputError("no CT with a mask could be read", where=source, action="See the messages above.")
    settings = SegmenterFit(seed=seed, steps=steps, learning_rate=_FIT_LEARNING_RATE)
    checkpoint = out / "fit.pt"
    start = load_network(SHIPPED)
    network = fit_segmenter(scans, [], settings, checkpoint, reporter.say, start=start, device=where)
    names = [scan.name for scan in scans]
    save_network(out, network, {"seed": str(seed), "steps": str(steps), "real": str(len(scans)), "simulated": "0"})
    facts = {"espark_version": __version__, "patients": names, "left_out": failures, "fit": asdict(settings)}
    write_json(out / "segmenter.json", facts)
    checkpoint.unlink(missing_ok=True)
    return out / WEIGHTS_FILE


def evaluate_segmenter(
    source: Path,
    out: Path,
    *,
    segmenter: str = "espark-mini-seg",
    weights: Path | None = None,
    figures: int = 3,
    reporter: Reporter | None = None,
) -> pd.DataFrame:
    """Segment every CT that has masks, and compare.

    A region that was not found, or was left out as doubtful, counts with a Dice of 0.

    Args:
        source: see `masked_cts`.
        out: folder for ``segmentation.csv``, ``summary.csv`` and the figures.
        segmenter: a name in `espark.ct.segmentation.catalogue.SEGMENTERS`, not ``masks``.
        weights: folder of its weights; None for the default weights.
        figures: of how many patients the planes are drawn.
        reporter: shows the progress.

    Returns:
        The summary: one row per cohort, region and metric.

    Raises:
        InputError: when there is nothing to compare with, or the segmenter cannot be loaded.
    """
    reporter = reporter or Reporter()
    loaded = load_segmenter(segmenter, weights=weights)
    if loaded is None:
        raise InputError("the user's masks are not a segmenter", action="Name another one.")
    cases = masked_cts(source)
    rows: list[dict[str, object]] = []
    with reporter.track("segmenting", len(cases)) as advance:
        for number, case in enumerate(cases):
            picture = out / "figures" / case.patient_id if number < figures else None
            rows += _compare(case, loaded, picture)
            advance()
    table = pd.DataFrame(rows, columns=_COLUMNS)
    write_csv(out / "segmentation.csv", table)
    summary = summarize(table)
    write_csv(out / "summary.csv", summary)
    return summary


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of every metric with its 95 % interval, by cohort and region.

    Args:
        table: one row per patient and region, with the columns of ``segmentation.csv``.
    """
    rows = []
    for (cohort, region), part in table.groupby(["cohort", "region"], sort=False):
        for metric in (field.name for field in fields(Overlap)):
            mean = mean_estimate(part[metric].to_numpy(np.float64))
            rows.append((cohort, region, metric, mean.n, mean.value, mean.ci_low, mean.ci_high, mean.method))
    return pd.DataFrame(rows, columns=_SUMMARY_COLUMNS)


def _compare(case: MaskedCt, segmenter: Segmenter, picture: Path | None) -> list[dict[str, object]]:
    """One row per region that is given; a CT or mask that cannot be used is a row with its reason."""
    row: dict[str, object] = {"patient_id": case.patient_id, "cohort": case.cohort}
    try:
        read = read_ct_and_regions(case.files)
        found = _found(read.ct, segmenter)
    except EsparkError as error:
        return [row | {"region": scale, "note": str(error)} for scale in REGIONS]
    measured = {scale: _measures(found, read.regions, scale) for scale in read.regions.scales}
    if picture is not None and not isinstance(found, str):
        dice = ", ".join(f"{scale} {values['dice']:.2f}" for scale, values in measured.items())
        title = f"{case.patient_id}{' (simulated)' if read.ct.simulated else ''}: Dice of {dice}"
        _draw(picture, read.ct, found.regions, read.regions, title)
    return [row | {"region": scale} | values for scale, values in measured.items()]


def _found(ct: CtVolume, segmenter: Segmenter) -> AutomaticRegions | str:
    """What the segmenter found, or why nothing of it can be relied on."""
    try:
        return find_regions(ct, segmenter)
    except RegionError as error:
        return str(error)


def _measures(found: AutomaticRegions | str, given: Regions, scale: str) -> dict[str, object]:
    region = next(known for known in REGIONS if known == scale)
    values: dict[str, object] = {"given_ml": given.volume_ml(region), "found_ml": 0.0}
    if isinstance(found, str):
        return values | asdict(Overlap(0.0, 0.0, float("nan"))) | {"note": found}
    if region not in found.regions.scales:
        return values | asdict(Overlap(0.0, 0.0, float("nan"))) | {"note": " ".join(note.text for note in found.notes)}
    masks = [sitk.GetArrayFromImage(part.mask(region)) > 0 for part in (found.regions, given)]
    x, y, z = given.labels.GetSpacing()
    values |= {"found_ml": found.regions.volume_ml(region), "note": " ".join(note.text for note in found.notes)}
    return values | asdict(overlap(masks[0], masks[1], (z, y, x)))


def _draw(target: Path, ct: CtVolume, found: Regions, given: Regions, title: str) -> None:
    """Both regions in three planes through the middle of those that were given: the whole CT, and from near."""
    for name, width_mm in ((target.name, None), (f"{target.name}-near", _NEAR_MM)):
        reference = three_planes(ct, given, width_mm=width_mm)
        planes = three_planes(ct, found, centre=reference[0].centre_mm, width_mm=width_mm)
        save_figure(ct_planes_figure(planes, reference=reference, title=title), target.with_name(name))


def _of_study(folder: Path) -> list[MaskedCt]:
    return [
        MaskedCt(patient.patient_id, patient.cohort_name, patient.files)
        for patient in open_workspace(folder).cohort
        if patient.files.ct is not None and patient.files.has_regions
    ]


def _of_folder(folder: Path) -> list[MaskedCt]:
    if not folder.is_dir():
        raise InputError("there is no such folder", where=folder)
    files = {_stem(path): path for path in sorted(folder.iterdir()) if path.is_file() and image_file_kind(path)}
    found = []
    for stem, path in files.items():
        name = stem.removesuffix("_ct")
        masked = PatientFiles(
            ct=path, esophagus_mask=files.get(f"{name}_esophagus"), tumor_mask=files.get(f"{name}_tumor")
        )
        if stem.endswith("_ct") and masked.has_regions:
            found.append(MaskedCt(name, folder.name, masked))
    return found


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _held_out(source: Path) -> Sequence[str]:
    """Cohorts from which nothing may be learned."""
    if not StudyLayout(source).config.is_file():
        return ()
    return tuple(name for name in open_workspace(source).cohort.cohort_names if name != "development")
