"""Pen, folds and bubbles in a low-resolution picture of a slide."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage import morphology

from espark.pathology.density import is_ink, is_ink_on_tissue, is_stained
from espark.pathology.morphology import disk, pieces_where, round_holes, strips, without_small
from espark.types import BoolArray, FloatArray

INK_UM2 = 3_000.0
_INK_MARGIN_UM = 24.0

_FOLD_UM2 = 12_000.0
_STRIP_UM = 120.0
_STRIP_ASPECT = 3.0
_STRIP_THICKNESS_UM = 42.0
_SURROUNDINGS_UM = 200.0
_DENSER, _DOUBLED = 1.30, 1.58
_NEAR_HUE, _SAME_HUE = 0.05, 0.03

_RIM_UM = 20.0
_RIM_DENSITY = 0.08
_RIM_GAP_UM = 16.0
_RIM_MARGIN_UM = 24.0
_BUBBLE_RADIUS_UM = 30.0


def find_pen(density: FloatArray, um_per_px: float) -> BoolArray:
    """Ink with a margin, because its edge is pale.

    Args:
        density: float32 (h, w, 3), optical density against the glass.
        um_per_px: size of a pixel.
    """
    pen = without_small(is_ink(density) | is_ink_on_tissue(density), INK_UM2 / um_per_px**2)
    return np.asarray(morphology.dilation(pen, disk(round(_INK_MARGIN_UM / um_per_px)))) if pen.any() else pen


def find_folds(density: FloatArray, tissue: BoolArray, um_per_px: float) -> BoolArray:
    """Folded tissue: broad areas twice as dense as the tissue of the slide, and strips denser than both sides.

    Args:
        density: float32 (h, w, 3), optical density against the glass.
        tissue: bool (h, w).
        um_per_px: size of a pixel.
    """
    if not tissue.any():
        return np.zeros_like(tissue)
    mean = density.mean(axis=-1)
    doubled = tissue & (mean > max(0.55, 2.0 * float(np.median(mean[tissue])))) & (density.min(axis=-1) > 0.3)
    strips_with_edges = morphology.dilation(_folded_strips(density, um_per_px), disk(1)) & tissue
    return np.asarray(without_small(doubled, _FOLD_UM2 / um_per_px**2) | strips_with_edges)


def find_bubbles(density: FloatArray, um_per_px: float) -> BoolArray:
    """Round areas within a thin dark rim, as around air under the cover slip. The rim absorbs all colors.

    Args:
        density: float32 (h, w, 3), optical density against the glass.
        um_per_px: size of a pixel.
    """
    least = np.minimum(np.minimum(density[..., 0], density[..., 1]), density[..., 2])
    reach = 2 * max(1, round(_RIM_UM / um_per_px)) + 1
    opened = ndimage.maximum_filter(ndimage.minimum_filter(least, reach), reach)
    rim = morphology.closing(least - opened > _RIM_DENSITY, disk(round(_RIM_GAP_UM / um_per_px)))
    bubbles = round_holes(rim, min_radius=_BUBBLE_RADIUS_UM / um_per_px)
    return (
        np.asarray(morphology.dilation(bubbles, disk(round(_RIM_MARGIN_UM / um_per_px)))) if bubbles.any() else bubbles
    )


def _folded_strips(density: FloatArray, um_per_px: float) -> BoolArray:
    """Strips with the hue of their surroundings, but denser. Strips beside a lumen or at an edge have none."""
    stained = is_stained(density)
    reach = max(3, round(_SURROUNDINGS_UM / um_per_px))
    share = ndimage.uniform_filter(stained.astype(np.float32), reach)
    channels = [np.ascontiguousarray(density[..., k]) for k in range(3)]
    here = [ndimage.gaussian_filter(channel, 0.7, truncate=2.0) for channel in channels]
    around = [ndimage.uniform_filter(channel * stained, reach) / np.maximum(share, 1e-3) for channel in channels]
    total_here, total_around = (np.maximum(part[0] + part[1] + part[2], 1e-3) for part in (here, around))
    ratio = total_here / total_around
    hue = np.zeros_like(ratio)
    for one, other in zip(here, around, strict=True):
        np.maximum(hue, np.abs(one / total_here - other / total_around), out=hue)
    denser = stained & (share > 0.6) & (ratio > _DENSER) & (hue < _NEAR_HUE)
    narrow = strips(
        denser,
        min_length=_STRIP_UM / um_per_px,
        min_aspect=_STRIP_ASPECT,
        max_thickness=_STRIP_THICKNESS_UM / um_per_px,
    )
    pieces, n = ndimage.label(narrow, structure=np.ones((3, 3)))
    if n == 0:
        return narrow
    numbers = np.arange(1, n + 1)
    doubled = ndimage.mean(ratio, pieces, numbers) > _DOUBLED
    return pieces_where(doubled & (ndimage.mean(hue, pieces, numbers) < _SAME_HUE), pieces)
