"""The peritumoral ring: the tissue around the tumor, as a separate scale.

Studies use features of a ring around the tumor for the response to neoadjuvant treatment of esophageal squamous cell
carcinoma (Hu et al., JAMA Netw Open 2020;3:e2015927) and for lung cancer (review: Wu et al., Eur Radiol 2023;33:2105).
These studies use different thicknesses, and mostly remove parts of the ring by hand. Here fixed rules are used:

- A voxel belongs to the ring when the distance of its centre to the centre of the nearest voxel of the tumor, in mm, is
  not more than the given distance. The tumor itself is left out.
- Gas and lung (below -200 HU, so that mediastinal fat stays) and dense bone, calcification, metal and oral contrast
  medium (above 300 HU) are left out: their edges would dominate every texture of soft tissue.
- The remaining voxels must be connected to the tumor. This removes vessels of the lung and the table of the scanner.

The wall of the esophagus above and below the tumor belongs to the ring. The ring depends only on
the CT and the tumor of this patient.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from espark.ct.grid import image_like
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions
from espark.notes import Note
from espark.types import SCALES, BoolArray, DoubleArray

TISSUE_HU = (-200, 300)
"""Grey values of the tissue that belongs to the ring."""

_ROUNDING_MM = 1e-6
_TOUCHING = np.ones((3, 3, 3))


def peritumoral_ring(ct: CtVolume, tumor: sitk.Image, ring_mm: float) -> sitk.Image:
    """The tissue around a tumor.

    Args:
        ct: the CT.
        tumor: (0, 1) on its grid, not empty.
        ring_mm: thickness.

    Returns:
        uint8 mask (0, 1) on the same grid; empty when there is no tissue within the distance.
    """
    inside = sitk.GetArrayFromImage(tumor) > 0
    spacing = np.array(tumor.GetSpacing())[::-1]  # z, y, x
    places = np.argwhere(inside)
    reach = np.ceil(ring_mm / spacing).astype(int)
    low = np.maximum(places.min(axis=0) - reach, 0)
    high = np.minimum(places.max(axis=0) + reach + 1, inside.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    hu = sitk.GetArrayViewFromImage(ct.image)[box]
    ring = np.zeros(inside.shape, dtype=np.uint8)
    ring[box] = _around(inside[box], (hu >= TISSUE_HU[0]) & (hu <= TISSUE_HU[1]), spacing, ring_mm)
    return image_like(ring, tumor)


def _around(inside: BoolArray, tissue: BoolArray, spacing: DoubleArray, ring_mm: float) -> BoolArray:
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    near = tissue & ~inside & (away <= ring_mm + _ROUNDING_MM)
    parts, _ = ndimage.label(near | inside, _TOUCHING)
    ring: BoolArray = near & np.isin(parts, np.unique(parts[inside]))
    return ring


def with_ring(ct: CtVolume, regions: Regions, ring_mm: float) -> tuple[Regions, tuple[Note, ...]]:
    """Regions with the ring as an additional scale, if there is one.

    Args:
        ct: the CT.
        regions: the regions outlined on it.
        ring_mm: thickness; 0 for no ring.

    Returns:
        The regions, and notes for the reader: why there is no ring, or that the CT cuts it off.
    """
    if not ring_mm:
        return regions, ()
    if "tumor" not in regions.scales:
        return regions, (Note("N-REGION-007", "There is no ring around the tumor: the tumor is not known."),)
    tumor = regions.mask("tumor")
    ring = peritumoral_ring(ct, tumor, ring_mm)
    if not sitk.GetArrayViewFromImage(ring).any():
        low, high = TISSUE_HU
        reason = f"within {ring_mm:g} mm there is no tissue between {low} and {high} HU"
        return regions, (Note("N-REGION-007", f"There is no ring around the tumor: {reason}."),)
    scales = tuple(scale for scale in SCALES if scale in (*regions.scales, "peritumoral"))
    return replace(regions, scales=scales, ring=ring), _cut_off(tumor, ring_mm)


def _cut_off(tumor: sitk.Image, ring_mm: float) -> tuple[Note, ...]:
    """The note that the ring reaches beyond the CT."""
    inside = sitk.GetArrayViewFromImage(tumor) > 0
    places = np.argwhere(inside)
    room = np.minimum(places.min(axis=0), np.array(inside.shape) - 1 - places.max(axis=0))
    if np.all((room + 1) * np.array(tumor.GetSpacing())[::-1] > ring_mm):
        return ()
    return (Note("N-REGION-008", "The ring around the tumor reaches beyond the CT and is cut off there."),)
