"""The odds ratio of a two-by-two table."""

from __future__ import annotations

import math

import numpy as np
from statsmodels.stats.contingency_tables import Table2x2

from espark.statistics.classification import Confusion
from espark.statistics.estimate import Z_95, Estimate

EMPTY_MARGIN = "not available: all patients on one side, or one class only"


def odds_ratio(counts: Confusion) -> Estimate:
    """Odds of label 1 among those called 1, over the odds among those called 0, with Woolf's interval.

    Where a cell is empty, one half is added to every cell (Haldane and Anscombe), which the method says. Where all
    patients lie on one side of the cut-off, or all have one label, there is no odds ratio.

    Args:
        counts: decisions against outcomes.

    Source: Woolf, Ann. Hum. Genet. 19:251 (1955); Haldane, Ann. Hum. Genet. 20:309 (1956).
    """
    table = np.array([[counts.tp, counts.fp], [counts.fn, counts.tn]], dtype=np.float64)
    if not table.sum(axis=0).all() or not table.sum(axis=1).all():
        return Estimate.missing(EMPTY_MARGIN, counts.n)
    empty = bool((table == 0).any())
    # The shift that statsmodels offers changes the empty cell alone.
    found = Table2x2(table + 0.5 if empty else table, shift_zeros=False)
    low, high = found.oddsratio_confint()
    method = "Woolf, 0.5 added to each cell (Haldane–Anscombe), for one is empty" if empty else "Woolf"
    return Estimate(float(found.oddsratio), float(low), float(high), method, counts.n)


def log_with_error(ratio: Estimate) -> tuple[float, float]:
    """Logarithm of an odds ratio and its standard error; NaN where it is not available."""
    if not ratio.available:
        return math.nan, math.nan
    return math.log(ratio.value), (math.log(ratio.ci_high) - math.log(ratio.value)) / Z_95
