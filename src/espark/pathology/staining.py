"""Signs that a slide is not well-stained H&E: brown, without eosin, pale, or dark.

The limits were set on available real H&E and immunohistochemistry. On H&E, few pixels absorb more blue than green, and
the median of red over green is 0.2 to 0.65 (counterstain without eosin: 1.0 to 1.1). Areas too faint to count as tissue
cover at most a quarter of the area of the tissue, until nine tenths of the dye are gone.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.notes import Note
from espark.pathology.density import is_gray, optical_density
from espark.types import BoolArray, ByteArray, FloatArray
from espark.wording import percent

_DENSE = 0.15
_BROWN_SHARE = 0.10
_NO_EOSIN = 0.9
_PALE_DENSITY = 0.2
_FAINT_SHARE = 0.5
_FAINT_MM2 = 0.15
_FAINT_CHROMA, _FAINT_DENSITY = 0.006, 0.015
_FAINT_UM = 60.0
_FEWEST = 50
_DARK = 60


def staining_doubts(picture: ByteArray, tissue: BoolArray, glass: FloatArray, um_per_px: float) -> tuple[Note, ...]:
    """Reasons why a slide does not look like H&E; empty when it does.

    Args:
        picture: uint8 (h, w, 3), the slide at 8 to 32 µm per pixel.
        tissue: bool (h, w), where tissue was found.
        glass: color of the empty glass, RGB 0–255.
        um_per_px: size of a pixel.
    """
    if np.median(picture.max(axis=-1)) < _DARK:
        return (Note("D-SLIDE-006", "The background is dark, as in fluorescence. espark expects H&E on bright glass."),)
    density = optical_density(picture, glass)
    red, green, blue = density[..., 0], density[..., 1], density[..., 2]
    total = red + green + blue
    dense = (total > _DENSE) & ~is_gray(density)
    brown = dense & (blue > green) & (red > 0.15 * blue) & (red < 0.8 * green)
    share = float(brown.sum()) / max(1, int(dense.sum()))
    if brown.sum() >= _FEWEST and share > _BROWN_SHARE:
        text = f"Brown staining, like DAB in immunohistochemistry, covers {percent(share)} of the stained area."
        return (Note("D-SLIDE-003", text),)
    stained = tissue & (total > _DENSE)
    if stained.sum() >= _FEWEST and np.median(red[stained] / np.maximum(green[stained], 1e-3)) > _NO_EOSIN:
        return (Note("D-SLIDE-004", "The tissue is bluish without eosin, as in immunohistochemistry."),)
    return _paleness(density, tissue, um_per_px)


def _paleness(density: FloatArray, tissue: BoolArray, um_per_px: float) -> tuple[Note, ...]:
    """A doubt when the tissue is pale, or when much of it is too faint to be found."""
    area = (um_per_px / 1000.0) ** 2
    faint_mm2 = float((_is_faint(density, um_per_px) & ~tissue).sum()) * area
    found_mm2 = float(tissue.sum()) * area
    if faint_mm2 > max(_FAINT_MM2, _FAINT_SHARE * found_mm2):
        text = (
            f"The stain is pale or faded: {faint_mm2:.2g} mm² are too faint to separate from glass, {found_mm2:.2g} "
            "mm² were found as tissue."
        )
        return (Note("D-SLIDE-005", text),)
    if tissue.sum() >= _FEWEST and np.percentile(density.sum(axis=-1)[tissue], 90) < _PALE_DENSITY:
        return (Note("D-SLIDE-005", "The stain is pale or faded: even the densest tissue is hardly stained."),)
    return ()


def _is_faint(density: FloatArray, um_per_px: float) -> BoolArray:
    """Faint stain, which appears when noise is averaged out. Shadows and dust have no color."""
    reach = max(3, round(_FAINT_UM / um_per_px))
    red, green, blue = (ndimage.uniform_filter(density[..., k], reach) for k in range(3))
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    colored = (most - least > _FAINT_CHROMA) & (green >= np.maximum(red, blue) - 0.25 * most)
    return np.asarray(colored & (red + green + blue > _FAINT_DENSITY))
