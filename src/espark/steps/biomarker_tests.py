"""``explain/tests.csv``: responders against non-responders within each center."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from espark.statistics.multiplicity import benjamini_hochberg
from espark.statistics.screening import group_difference

_COLUMNS = ["center", "quantity", "n", "effect", "ci_low", "ci_high", "p_value", "p_adjusted"]


def test_rows(cell_types: pd.DataFrame, biomarkers: pd.DataFrame) -> pd.DataFrame:
    """Compare responders with non-responders, within each center and over all.

    Mann–Whitney's test with Cliff's delta as the effect (above 0: higher in responders); p is adjusted by Benjamini and
    Hochberg over the quantities of a center.

    Args:
        cell_types: columns ``center, pcr, cell_type, contribution``.
        biomarkers: columns ``center, pcr, nlr, differentiation``.
    """
    parts = [cell_types.rename(columns={"cell_type": "quantity", "contribution": "value"})]
    for name in ("nlr", "differentiation"):
        parts.append(biomarkers.assign(quantity=name, value=biomarkers[name]))
    values = pd.concat([part[["center", "pcr", "quantity", "value"]] for part in parts], ignore_index=True)
    values = values.dropna(subset=["pcr"])
    centers = [*sorted(values["center"].unique()), "all"]
    rows = [row for center in centers for row in _center_rows(center, values)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _center_rows(center: str, values: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    chosen = values if center == "all" else values[values["center"] == center]
    tests = {
        str(quantity): group_difference(part["pcr"].to_numpy(np.int64), part["value"].to_numpy(float))
        for quantity, part in chosen.groupby("quantity", sort=False)
    }
    adjusted = benjamini_hochberg([test.p_value for test in tests.values()])
    for (quantity, test), p_adjusted in zip(tests.items(), adjusted, strict=True):
        delta = test.delta
        yield (center, quantity, delta.n, delta.value, delta.ci_low, delta.ci_high, test.p_value, p_adjusted)
