"""From maps of probability to one esophagus and one tumor."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.ct.grid import volume_ml
from espark.ct.segmentation.path import find_course
from espark.ct.segmentation.working_grid import SPACING_MM
from espark.types import BoolArray, FloatArray
from espark.wording import percent

INSIDE = 0.4
"""Probability from which a voxel belongs to a region. For the best Dice it is half the Dice reached (Lipton, Elkan and
Narayanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", 2014)."""

_REACH_MM = 36.0
_TUBE_MM = 5.0
_THIN_MM2 = 40.0
_MOST_BRIDGED = 0.4
_LEAST_TUMOR_ML = 0.5
_SURE = 0.93
_RIVAL_SHARE = 0.5
_ALL_NEIGHBOURS = np.ones((3, 3, 3), bool)


def clean_esophagus(probability: FloatArray) -> tuple[FloatArray | None, int, tuple[str, ...]]:
    """One esophagus without gaps, and doubts about it.

    Voxels near its course are kept. Slices on the course without the organ get a tube of 5 mm radius. Of the voxels
    that then reach `INSIDE`, the largest component is kept. It is doubtful when more than 40 % of it is tube.

    Args:
        probability: (z, y, x), 3 mm voxels.

    Returns:
        The cleaned probability, 0 outside the component, None when there is no esophagus; the number of slices that
        were bridged; and the doubts, empty when there are none.
    """
    course = find_course(probability)
    if course is None:
        return None, 0, ()
    away = course.distance(probability.shape) * SPACING_MM
    span = np.zeros(len(probability), bool)
    span[course.first : course.last + 1] = True
    kept = np.where(span[:, None, None] & (away <= _REACH_MM), probability, 0).astype(np.float32)
    thin = span & ((kept >= INSIDE).sum(axis=(1, 2)) * SPACING_MM**2 < _THIN_MM2)
    # `INSIDE` on the wall of the tube, so that interpolation to a finer grid gives a round tube.
    tube = np.clip(INSIDE + (_TUBE_MM - away) / (2 * SPACING_MM), 0, 1)
    kept[thin] = np.maximum(kept[thin], tube[thin])
    cleaned = _largest(kept)
    if cleaned is None:
        return None, 0, ()
    held = (cleaned >= INSIDE).any(axis=(1, 2))
    bridged = int((thin & held).sum())
    share = bridged / int(held.sum())
    return cleaned, bridged, (f"{percent(share)} of its length is a bridge",) if share > _MOST_BRIDGED else ()


def clean_tumor(probability: FloatArray, esophagus: FloatArray) -> tuple[FloatArray | None, tuple[str, ...]]:
    """One tumor within the esophagus, and doubts about it.

    Of several components that reach `INSIDE`, the one with the largest sum of probability is kept. It is doubtful when
    its probability nowhere reaches 0.93, or when another component has more than half of its sum. The network misses
    small tumors, and a region found instead is mostly faint.

    Args:
        probability: (z, y, x), of the tumor.
        esophagus: the cleaned esophagus.

    Returns:
        The cleaned probability, None when there is no tumor of at least 0.5 ml; and the doubts, empty when there are
        none.
    """
    near = ndimage.binary_dilation(esophagus >= INSIDE, _ALL_NEIGHBOURS)
    inside = np.where(near, probability, 0).astype(np.float32)
    parts, count = ndimage.label(inside >= INSIDE, _ALL_NEIGHBOURS)
    if not count:
        return None, ()
    sums = np.bincount(parts.ravel(), inside.ravel())[1:]
    chosen = parts == 1 + sums.argmax()
    if volume_ml(int(chosen.sum()), (SPACING_MM,) * 3) < _LEAST_TUMOR_ML:
        return None, ()
    doubts = []
    peak = float(inside[chosen].max())
    if peak < _SURE:
        doubts.append(f"its probability nowhere exceeds {peak:.2f} (usual: at least {_SURE:g})")
    if count > 1 and (share := float(np.sort(sums)[-2] / sums.max())) > _RIVAL_SHARE:
        doubts.append(f"another place in the esophagus has {percent(share)} of its summed probability")
    return _around(inside, chosen), tuple(doubts)


def largest_component(mask: BoolArray) -> BoolArray:
    """The largest part of connected voxels (a shared corner is enough); the mask itself when it is empty."""
    if not mask.any():
        return mask
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    parts, _ = ndimage.label(mask[box], _ALL_NEIGHBOURS)
    largest = np.zeros_like(mask)
    largest[box] = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    return largest


def _largest(probability: FloatArray) -> FloatArray | None:
    """The probability at and around its largest component."""
    inside = probability >= INSIDE
    if not inside.any():
        return None
    return _around(probability, largest_component(inside))


def _around(probability: FloatArray, component: BoolArray) -> FloatArray:
    """The probability at and next to a component; 0 elsewhere."""
    return np.where(ndimage.binary_dilation(component, _ALL_NEIGHBOURS), probability, 0).astype(np.float32)
