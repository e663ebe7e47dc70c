"""A patient's regions as another person might have drawn them, or on slices that another scanner might have made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.perturbation import move_contour, perturb_contour, smallest_step_mm
from espark.ct.regions.regions import Regions
from espark.ct.regions.ring import peritumoral_ring
from espark.types import REGIONS, Scale

CONTOUR_MM = 1.0
"""How far a contour is moved."""

_THICK_MM = 5.0  # what many hospitals archive
_ALREADY_THICK_MM = 4.0
_REDRAWN = 2
_SEED = 20_190_614


@dataclass(frozen=True, eq=False)
class Redrawing:
    """A CT with regions that differ a little from those that were given or found.

    Attributes:
        name: the change, as it continues "with …".
        ct: the CT; another one where its slices are thicker.
        masks: uint8 (0, 1) on its grid, by scale.
    """

    name: str
    ct: CtVolume
    masks: Mapping[Scale, sitk.Image]


def redrawings(ct: CtVolume, regions: Regions, *, ring_mm: float = 0.0) -> Iterator[Redrawing]:
    """The regions 1 mm wider, 1 mm narrower, drawn again twice, and on thicker slices.

    Drawn again means that the surface moves in and out by a smooth random field with an SD of 1 mm. The same region
    always gets the same fields. The ring around the tumor moves with the tumor. Thicker slices are means of
    neighboring slices, about 5 mm together; CTs with slices of 4 mm or more stay as they are.

    Args:
        ct: the CT.
        regions: tumor and esophagus on it, and the ring where there is one.
        ring_mm: thickness of the ring.
    """
    drawn: dict[Scale, sitk.Image] = {scale: regions.mask(scale) for scale in REGIONS if scale in regions.scales}
    step = smallest_step_mm(regions.labels, CONTOUR_MM)
    for mm, word in ((step, "wider"), (-step, "narrower")):
        moved: dict[Scale, sitk.Image] = {scale: move_contour(mask, mm) for scale, mask in drawn.items()}
        yield Redrawing(f"a contour {step:.2g} mm {word}", ct, _with_ring(ct, regions, moved, ring_mm))
    for number in range(1, _REDRAWN + 1):
        generator = np.random.default_rng(_SEED + number)
        moved = {scale: perturb_contour(mask, generator=generator, sd_mm=step) for scale, mask in drawn.items()}
        yield Redrawing(f"a contour drawn again ({number})", ct, _with_ring(ct, regions, moved, ring_mm))
    thick = _on_thicker_slices(ct, {scale: regions.mask(scale) for scale in regions.scales})
    if thick is not None:
        yield thick


def _with_ring(
    ct: CtVolume, regions: Regions, moved: Mapping[Scale, sitk.Image], ring_mm: float
) -> dict[Scale, sitk.Image]:
    """The moved regions, the tumor as a part of the esophagus, and the ring around the moved tumor."""
    found = dict(moved)
    if {"tumor", "esophagus"} <= found.keys():
        found["esophagus"] = sitk.Or(found["esophagus"], found["tumor"])
    if "peritumoral" in regions.scales:
        found["peritumoral"] = peritumoral_ring(ct, found["tumor"], ring_mm)
    return found


def _on_thicker_slices(ct: CtVolume, masks: Mapping[Scale, sitk.Image]) -> Redrawing | None:
    """Neighboring slices joined; None where the slices are thick already, or a region would be lost."""
    slice_mm = ct.spacing_mm[2]
    joined = max(2, round(_THICK_MM / slice_mm))
    if slice_mm >= _ALREADY_THICK_MM or ct.size[2] < 2 * joined:
        return None
    factors = [1, 1, joined]
    thick = {
        scale: sitk.Cast(sitk.BinShrink(sitk.Cast(mask, sitk.sitkFloat32), factors) >= 0.5, sitk.sitkUInt8)
        for scale, mask in masks.items()
    }
    if not all(sitk.GetArrayViewFromImage(mask).any() for mask in thick.values()):
        return None
    image = sitk.BinShrink(ct.image, factors)
    return Redrawing(f"slices of {image.GetSpacing()[2]:.3g} mm", replace(ct, image=image), thick)
