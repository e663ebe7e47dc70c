"""Scans from which the embedded segmenter is fitted: real neck and chest CTs, and simulated chests."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from espark.ct.files.volume import read_ct
from espark.ct.segmentation.fit.labelled_scan import Scan, label_scan
from espark.ct.segmentation.working_grid import SPACING_MM, working_ct
from espark.errors import InputError
from espark.files import atomic_path
from espark.simulate.chest.phantom import simulate_ct
from espark.simulate.people.centers import CENTERS, PHASES, CtProtocol
from espark.simulate.trial.simulated_patient import PatientPlan, draw_truth
from espark.types import AnyArray, BoolArray

FIRST_SEED = 1000
"""Seeds below belong to the virtual trial."""

FITTED_CENTERS = (0, 1)
"""Centers whose way of scanning the fit sees. The third is kept unseen."""

FOLDS = 5

_ESOPHAGUS_LABEL = 1
_MATRIX = 256
_AIR_HU = -500.0
_MAX_AIR = 0.25
_MAX_AREA_MM2 = 700.0
_CUT_HU = -1000.0
_CUT_BOX_MM = 30.0
_MAX_CUT = 0.10


def real_names(folder: Path) -> list[str]:
    """Names of the scans of an OpenKBP folder, sorted.

    Raises:
        InputError: when there are none.
    """
    names = sorted(path.name.removesuffix("_ct.nii.gz") for path in folder.glob("*_ct.nii.gz"))
    if not names:
        raise InputError("there is no CT", where=folder, expected="files <name>_ct.nii.gz and <name>_oar.nii.gz")
    return names


def clean_names(folder: Path) -> list[str]:
    """Names of the scans whose contours can be relied on, by the figures of ``index.csv``, sorted."""
    table = pd.read_csv(folder / "index.csv", dtype={"id": str})
    clean = (table.frac_eso_air < 0.05) & (table.frac_slices_full_body > 0.99) & (table.mean_area_mm2 < 350)
    return sorted(table.id[clean])


def fold_names(folder: Path, fold: int) -> list[str]:
    """The clean scans that a fold of the cross-validation leaves out of the fit."""
    return clean_names(folder)[fold::FOLDS]


def read_real(folder: Path, name: str) -> tuple[sitk.Image, sitk.Image]:
    """CT and esophagus mask of a scan, on the CT's own grid."""
    ct = read_ct(folder / f"{name}_ct.nii.gz")
    organs = sitk.ReadImage(str(folder / f"{name}_oar.nii.gz"))
    return ct.image, sitk.Cast(organs == _ESOPHAGUS_LABEL, sitk.sitkUInt8)


def load_real(folder: Path, name: str) -> Scan | None:
    """One scan on the working grid; None when no slice of it can be trusted.

    Contours of the neck and chest stop where the radiotherapy plan needed no more, so nothing is known above and
    below them. Slices in which the body is cut off are left out, and so are contours that hold the windpipe.
    """
    image, mask = read_real(folder, name)
    grid = working_ct(image)
    esophagus = grid.cover(mask)
    trusted = np.array([_trusted(hu, inside) for hu, inside in zip(grid.hu, esophagus >= 0.5, strict=True)])
    if not trusted.any():
        return None
    return label_scan(name, grid.hu, esophagus, None, slices=trusted)


def simulated_scan(index: int, seed: int = FIRST_SEED) -> Scan:
    """A simulated chest on the working grid, scanned as a center scans, in any contrast phase.

    Args:
        index: number of the patient; even ones are scanned like the first center, odd ones like the second.
        seed: at least `FIRST_SEED`.

    Raises:
        ValueError: when ``seed`` belongs to the virtual trial.
    """
    if seed < FIRST_SEED:
        raise ValueError(f"seeds below {FIRST_SEED} belong to the virtual trial, not {seed}")
    center = FITTED_CENTERS[index % len(FITTED_CENTERS)]
    any_phase = dict.fromkeys(PHASES, 1 / len(PHASES))
    image, regions = simulated_ct(
        seed, center, index, protocol=dataclasses.replace(CENTERS[center].ct, phases=any_phase)
    )
    grid = working_ct(image)
    esophagus, tumor = (grid.cover(sitk.Cast(mask, sitk.sitkUInt8)) for mask in (regions > 0, regions == 2))
    return label_scan(f"{seed}/{index}", grid.hu, esophagus, tumor)


def simulated_ct(
    seed: int, center: int, index: int, *, protocol: CtProtocol | None = None, matrix: int = _MATRIX
) -> tuple[sitk.Image, sitk.Image]:
    """CT and exact regions (1 = esophagus, 2 = tumor) of a patient of a virtual trial.

    Args:
        seed: seed of the trial.
        center: position in ``CENTERS``.
        index: number of the patient within the center.
        protocol: how it is scanned; None for the center's own way.
        matrix: rows and columns.
    """
    plan = PatientPlan(seed, center, index, null=False, effect=1.0, masks=False, tiles=None, ct_matrix=matrix)
    truth = draw_truth(plan)
    scan = simulate_ct(
        truth.tumor, truth.person, protocol or CENTERS[center].ct, plan.stream("anatomy"), plan.stream("scan"),
        matrix=matrix,
    )  # fmt: skip
    return tuple(_placed(voxels, scan.geometry.spacing, scan.geometry.origin) for voxels in (scan.volume, scan.regions))  # type: ignore[return-value]


def load_simulated(folder: Path, count: int, *, seed: int = FIRST_SEED, report: Callable[[str], None]) -> list[Scan]:
    """Draw simulated scans, or read those that an earlier run has drawn.

    Args:
        folder: where the drawn scans lie; made when missing.
        count: how many.
        seed: at least `FIRST_SEED`.
        report: told how far the drawing is.
    """
    scans = []
    for index in range(count):
        path = folder / f"chest-{seed}-{index:04d}.npz"
        scan = _read(path)
        if scan is None:
            scan = simulated_scan(index, seed)
            _write(path, scan)
            report(f"drew chest {index + 1} of {count}")
        scans.append(scan)
    return scans


def _trusted(hu: AnyArray, inside: BoolArray) -> bool:
    """Whether a slice of the working grid holds a usable contour in a whole body."""
    if not inside.any() or inside.sum() * SPACING_MM**2 > _MAX_AREA_MM2 or np.mean(hu[inside] < _AIR_HU) > _MAX_AIR:
        return False
    reach = round(_CUT_BOX_MM / SPACING_MM)
    y, x = np.argwhere(inside).mean(axis=0).astype(int)
    around = hu[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
    return bool(np.mean(around < _CUT_HU) <= _MAX_CUT)


def _placed(voxels: AnyArray, spacing: tuple[float, ...], origin: tuple[float, ...]) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def _write(path: Path, scan: Scan) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, hu=scan.hu, share=scan.share, known=scan.known)


def _read(path: Path) -> Scan | None:
    """A drawn scan; None when it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as content:
            return Scan(path.stem, content["hu"], content["share"], content["known"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
