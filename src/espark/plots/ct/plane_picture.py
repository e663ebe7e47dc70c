"""Three CT planes as small pictures with the outlines of the regions, drawn in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from espark.ct.preview import Plane
from espark.plots.ct.planes import LEVEL_HU, WINDOW_HU
from espark.plots.small_picture import SmallPicture, box_of, outline, scale_bar, webp
from espark.types import SCALES, BoolArray, ByteArray

_BODY_HU = -300.0
_MARGIN_MM = 6.0
_REACH_MM = 170.0
"""A coronal or sagittal plane shows at most this much above and below the point."""
_PIXELS = 80_000
"""Of the three pictures together: what makes a page of hundreds of patients light enough to be sent."""
_FINEST_MM = 0.8
_QUALITY = 50


@dataclass(frozen=True)
class _Box:
    """The part of a plane that is shown: rows and columns, first and end."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, pixels: ByteArray | BoolArray) -> ByteArray | BoolArray:
        """The part of an array (rows, columns)."""
        return pixels[self.top : self.bottom, self.left : self.right]


def plane_pictures(planes: Sequence[Plane]) -> list[SmallPicture]:
    """The planes at one scale in the soft-tissue window, cut to the body and the regions.

    Args:
        planes: planes of one CT, from :func:`espark.ct.preview.three_planes`.
    """
    boxes = [_shown(plane) for plane in planes]
    pixel_mm = planes[0].pixel_mm
    area_mm2 = sum((box.bottom - box.top) * (box.right - box.left) for box in boxes) * pixel_mm**2
    mm_per_px = max(_FINEST_MM, float(np.sqrt(area_mm2 / _PIXELS)))
    narrowest = min(box.right - box.left for box in boxes) * pixel_mm / mm_per_px
    bar = scale_bar(narrowest, mm_per_px)
    return [_picture(plane, box, mm_per_px, bar) for plane, box in zip(planes, boxes, strict=True)]


def _picture(plane: Plane, box: _Box, mm_per_px: float, bar: tuple[float, str]) -> SmallPicture:
    shades = np.clip((plane.hu - (LEVEL_HU - WINDOW_HU / 2)) / WINDOW_HU, 0, 1) * 255
    part = box.of(shades.round().astype(np.uint8))
    factor = plane.pixel_mm / mm_per_px
    height, width = (max(1, round(length * factor)) for length in part.shape)
    small = Image.fromarray(part).resize((width, height), Image.Resampling.LANCZOS)
    # The esophagus first, so that it does not cover the outline of the tumor.
    shown = [scale for scale in reversed(SCALES) if scale in plane.masks and plane.masks[scale].any()]
    row, column = plane.centre_px
    return SmallPicture(
        webp=webp(np.asarray(small), quality=_QUALITY),
        width=width,
        height=height,
        bar_px=bar[0],
        bar_text=bar[1],
        outlines=tuple(outline(np.asarray(box.of(plane.masks[scale]), bool), scale, factor) for scale in shown),
        sides=plane.sides,
        crossing=((column - box.left + 0.5) * factor, (row - box.top + 0.5) * factor),
    )


def _shown(plane: Plane) -> _Box:
    """The body and every region, with a margin; a region outside of the body must be seen too."""
    tissue, count = ndimage.label(plane.hu > _BODY_HU)
    wanted = tissue == 1 + np.bincount(tissue.ravel())[1:].argmax() if count else np.ones(plane.hu.shape, np.bool_)
    if plane.name != "axial":
        reach = round(_REACH_MM / plane.pixel_mm)
        wanted[: max(0, plane.centre_px[0] - reach)] = False
        wanted[plane.centre_px[0] + reach :] = False
    for mask in plane.masks.values():
        wanted = wanted | mask
    top, bottom, left, right = box_of(wanted)
    margin = round(_MARGIN_MM / plane.pixel_mm)
    rows, columns = plane.hu.shape
    return _Box(max(0, top - margin), min(rows, bottom + margin), max(0, left - margin), min(columns, right + margin))
