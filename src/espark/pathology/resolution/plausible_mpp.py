"""How large a pixel of a slide can be: one range for whoever states it, be it a file, a table or an option."""

from __future__ import annotations

import math

from espark.errors import SlideError

PLAUSIBLE_MPP = (0.05, 20.0)
"""µm per pixel. Outside, the value is a screen or print resolution (600 dpi = 42 µm) rather than a microscope's."""


def is_plausible_mpp(mpp: float) -> bool:
    """Whether a slide can have pixels of ``mpp`` micrometres.

    Example:
        >>> is_plausible_mpp(0.25), is_plausible_mpp(353.0)
        (True, False)
    """
    return math.isfinite(mpp) and PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1]


def implausible_mpp(mpp: float, *, name: str = "slide_mpp", where: object = None) -> SlideError:
    """The error for a resolution that no slide can have.

    Args:
        mpp: the value that was given, in micrometres per pixel.
        name: how the user calls it, such as a column or an option.
        where: the file, row or slide for which it was given.
    """
    low, high = PLAUSIBLE_MPP
    return SlideError(
        f"{name} {mpp:g} is not plausible",
        where=where,
        expected=f"{low:g} to {high:g} micrometres per pixel at full resolution, such as 0.25 (40×) or 0.5 (20×)",
        code="E-SLIDE-002",
    )
