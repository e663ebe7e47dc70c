"""p-values corrected for how many were looked at."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from statsmodels.stats.multitest import multipletests

from espark.types import DoubleArray


def holm(p_values: npt.ArrayLike) -> DoubleArray:
    """Holm's adjusted p-values: they keep the chance of any false finding at the level they are compared with.

    Args:
        p_values: p-values of any shape; NaN (no test) stays NaN and is not counted.
    """
    return _adjust(p_values, "holm")


def benjamini_hochberg(p_values: npt.ArrayLike) -> DoubleArray:
    """Benjamini and Hochberg's adjusted p-values: they keep the share of false ones among the findings.

    Args:
        p_values: p-values of any shape; NaN (no test) stays NaN and is not counted.
    """
    return _adjust(p_values, "fdr_bh")


def _adjust(p_values: npt.ArrayLike, method: Literal["holm", "fdr_bh"]) -> DoubleArray:
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    tested = ~np.isnan(values)
    if tested.any():
        adjusted[tested] = multipletests(values[tested], method=method)[1]
    return adjusted
