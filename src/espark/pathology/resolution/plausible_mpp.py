"""The possible size of a pixel of a slide: one range for values from files, tables and options."""

from __future__ import annotations

import math

from espark.errors import SlideError

PLAUSIBLE_MPP = (0.05, 20.0)
"""µm per pixel. Other values are resolutions of a screen or printer (600 dpi = 42 µm), not of a microscope."""


def is_plausible_mpp(mpp: float) -> bool:
    """Whether a slide can have pixels of ``mpp`` micrometres.

    Example:
        >>> is_plausible_mpp(0.25), is_plausible_mpp(353.0)
        (True, False)
    """
    return math.isfinite(mpp) and PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1]


def implausible_mpp(mpp: float, *, name: str = "slide_mpp", where: object = None) -> SlideError:
    """The error for a resolution that is impossible for a slide.

    Args:
        mpp: the value that was given, in micrometres per pixel.
        name: name of the value for the user, such as a column or an option.
        where: the file, row or slide for which it was given.
    """
    low, high = PLAUSIBLE_MPP
    return SlideError(
        f"{name} {mpp:g} is not plausible",
        where=where,
        expected=f"{low:g} to {high:g} micrometres per pixel at full resolution, such as 0.25 (40×) or 0.5 (20×)",
        code="E-SLIDE-002",
    )
