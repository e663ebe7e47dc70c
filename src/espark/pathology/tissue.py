"""The tissue of a slide, and the pen, folds, bubbles and dirt to leave out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy import ndimage
from skimage import morphology

from espark.notes import Note
from espark.pathology.artefacts import INK_UM2, find_bubbles, find_folds, find_pen
from espark.pathology.density import glass_color, is_gray, is_stained, optical_density
from espark.pathology.morphology import disk, without_small
from espark.pathology.slide import OVERVIEW_MPP, Slide
from espark.pathology.staining import staining_doubts
from espark.types import BoolArray, ByteArray, FloatArray

_STAINING_MPP = 32.0

_SPECK_UM2 = 10_000.0
_HOLE_UM2 = 8_000.0
_CLOSING_UM = 16.0


class Ground(IntEnum):
    """What a pixel of the slide shows."""

    GLASS = 0
    TISSUE = 1
    PEN = 2
    FOLD = 3
    BUBBLE = 4


@dataclass(frozen=True)
class Tissue:
    """The tissue of one slide at low resolution.

    Attributes:
        labels: uint8 (h, w), a `Ground` for each pixel.
        um_per_px: size of a pixel in µm.
        px_level0: size of a pixel in level-0 pixels.
        glass: color of the empty glass, RGB 0–255.
        doubts: reasons why the slide does not look like H&E; empty when it does.
    """

    labels: ByteArray
    um_per_px: float
    px_level0: float
    glass: FloatArray
    doubts: tuple[Note, ...] = ()

    @property
    def mask(self) -> BoolArray:
        """Usable tissue, bool (h, w)."""
        return np.asarray(self.labels == Ground.TISSUE)

    @property
    def area_mm2(self) -> float:
        """Area of usable tissue in mm²."""
        return float(self.mask.sum()) * (self.um_per_px / 1000.0) ** 2

    def fraction_in(self, coords: FloatArray, side: float, what: Ground = Ground.TISSUE) -> FloatArray:
        """Share of ``what`` in squares, with pixels weighted by their overlap.

        Args:
            coords: (n, 2) x, y of the top-left corners in level-0 pixels.
            side: side of the squares in level-0 pixels.
            what: the kind of ground to count.

        Returns:
            float32 (n,), 0–1.
        """
        hit = self.labels == what
        total = np.zeros((hit.shape[0] + 1, hit.shape[1] + 1))
        total[1:, 1:] = hit.cumsum(0).cumsum(1)
        # Areas are differences of large sums. Single precision would find tissue where there is none.
        x0, y0 = coords.astype(np.float64).T / self.px_level0
        x1, y1 = x0 + side / self.px_level0, y0 + side / self.px_level0

        def below(y: FloatArray, x: FloatArray) -> FloatArray:
            return np.asarray(ndimage.map_coordinates(total, [y, x], order=1, mode="nearest"))

        inside = below(y1, x1) - below(y0, x1) - below(y1, x0) + below(y0, x0)
        return np.asarray(np.clip(inside / (side / self.px_level0) ** 2, 0.0, 1.0), dtype=np.float32)


def find_tissue(slide: Slide, *, um_per_px: float = OVERVIEW_MPP) -> Tissue:
    """Find the tissue of a slide and the parts to leave out.

    Args:
        slide: an open slide.
        um_per_px: resolution of the search (coarser if the slide itself is coarser).

    Raises:
        SlideError: when the slide cannot be read completely.
    """
    picture, exact = slide.overview(um_per_px)
    glass = glass_color(picture)
    labels = label_ground(picture, glass, exact)
    step = max(1, round(_STAINING_MPP / exact))  # color does not need detail
    few = (slice(None, None, step), slice(None, None, step))
    return Tissue(
        labels=labels,
        um_per_px=exact,
        px_level0=exact / slide.mpp,
        glass=glass,
        doubts=staining_doubts(picture[few], labels[few] == Ground.TISSUE, glass, exact * step),
    )


def label_ground(picture: ByteArray, glass: FloatArray, um_per_px: float) -> ByteArray:
    """Label every pixel of a low-resolution picture.

    Args:
        picture: uint8 (h, w, 3).
        glass: color of empty glass, RGB 0–255.
        um_per_px: size of a pixel.

    Returns:
        uint8 (h, w) of `Ground`.
    """
    density = optical_density(picture, glass)
    px_um2 = um_per_px**2
    gray = is_gray(density)
    tissue = morphology.closing(is_stained(density), disk(round(_CLOSING_UM / um_per_px)))
    tissue = without_small(tissue, _SPECK_UM2 / px_um2)
    tissue = ~without_small(~tissue, _HOLE_UM2 / px_um2)
    labels = np.where(tissue, Ground.TISSUE, Ground.GLASS).astype(np.uint8)
    with ThreadPoolExecutor(max_workers=2) as pool:
        bubbles = pool.submit(find_bubbles, density, um_per_px)
        labels[find_folds(density, tissue, um_per_px)] = Ground.FOLD
        labels[without_small(gray, INK_UM2 / px_um2) & ~tissue] = Ground.BUBBLE
        labels[bubbles.result()] = Ground.BUBBLE
    labels[find_pen(density, um_per_px)] = Ground.PEN
    return labels
