"""The relation of objective power and µm per pixel."""

from __future__ import annotations

NOMINAL_UM = 10.0
"""µm per pixel times objective power of most scanners: 20× has about 0.5 µm, 40× about 0.25 µm."""

_LEAST_UM, _MOST_UM = 4.0, 16.0
"""A camera adapter halves the product at most (3DHISTECH and Zeiss have 20× at 0.22 to 0.24 µm)."""


def nominal_mpp(power: float) -> float:
    """The usual µm per pixel of an objective.

    Example:
        >>> nominal_mpp(40)
        0.25
    """
    return NOMINAL_UM / power


def contradicts(power: float, mpp: float) -> bool:
    """Whether this objective power and this resolution contradict each other: no scanner has both.

    Example:
        >>> contradicts(40, 0.25), contradicts(20, 0.23), contradicts(40, 1.0)
        (False, False, True)
    """
    return not _LEAST_UM <= power * mpp <= _MOST_UM
