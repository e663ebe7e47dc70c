"""``explain/tests.csv`` and ``explain/meta.csv``: patients with the outcome compared with patients without."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from espark.cells import BIOMARKERS
from espark.statistics.estimate import Z_95
from espark.statistics.meta import random_effects
from espark.statistics.multiplicity import benjamini_hochberg
from espark.statistics.screening import GroupDifference
from espark.statistics.stratified import stratified_difference

ALL = "all"
"""Name of all centers together."""

_COLUMNS = ["center", "quantity", "n", "effect", "ci_low", "ci_high", "p_value", "p_adjusted"]
_META_COLUMNS = [
    "quantity", "centers", "n", "effect", "ci_low", "ci_high", "p_value", "tau2", "i2", "p_heterogeneity", "method",
]  # fmt: skip


def quantities(cell_types: pd.DataFrame, biomarkers: pd.DataFrame) -> pd.DataFrame:
    """What is compared, one row per patient and quantity: ``center, label, quantity, value``; labelled patients only.

    Args:
        cell_types: columns ``center, label, cell_type, contribution``.
        biomarkers: columns ``center, label, nlr, differentiation``.
    """
    parts = [cell_types.rename(columns={"cell_type": "quantity", "contribution": "value"})]
    parts += [biomarkers.assign(quantity=name, value=biomarkers[name]) for name in BIOMARKERS]
    values = pd.concat([part[["center", "label", "quantity", "value"]] for part in parts], ignore_index=True)
    return values.dropna(subset=["label"])


def test_rows(cell_types: pd.DataFrame, biomarkers: pd.DataFrame) -> pd.DataFrame:
    """Compare patients with the outcome with patients without, within each center and over all.

    Mann–Whitney's test with Cliff's delta as the effect (above 0: higher with the outcome). Over all centers the
    comparison is stratified by center (van Elteren's test): no patient is compared with a patient of another center. p
    is adjusted by Benjamini and Hochberg over the quantities of a center, and over those of all centers together.

    Args:
        cell_types: columns ``center, label, cell_type, contribution``.
        biomarkers: columns ``center, label, nlr, differentiation``.
    """
    values = quantities(cell_types, biomarkers)
    centers = [*sorted(values["center"].unique()), ALL]
    rows = [row for center in centers for row in _center_rows(center, values)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _center_rows(center: str, values: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    chosen = values if center == ALL else values[values["center"] == center]
    tests = {str(quantity): _compare(part) for quantity, part in chosen.groupby("quantity", sort=False)}
    adjusted = benjamini_hochberg([test.p_value for test in tests.values()])
    for (quantity, test), p_adjusted in zip(tests.items(), adjusted, strict=True):
        delta = test.delta
        yield (center, quantity, delta.n, delta.value, delta.ci_low, delta.ci_high, test.p_value, p_adjusted)


def _compare(part: pd.DataFrame) -> GroupDifference:
    labels, values = part["label"].to_numpy(np.int64), part["value"].to_numpy(float)
    return stratified_difference(labels, values, part["center"].astype(str).tolist())


def meta_rows(tests: pd.DataFrame) -> pd.DataFrame:
    """Random-effects summary of the centers for each quantity, and how much the centers differ.

    Cliff's delta is 2 AUC − 1; centers are joined on the logit of the AUC (DerSimonian–Laird, with the interval of
    Hartung and Knapp) and converted back. A center whose AUC is 0 or 1, or has no interval, is left out.

    Args:
        tests: the table of :func:`test_rows`.
    """
    rows = []
    for quantity, part in tests[tests["center"] != ALL].groupby("quantity", sort=False):
        areas = [np.clip((part[column].to_numpy(float) + 1) / 2, 0, 1) for column in ("effect", "ci_low", "ci_high")]
        with np.errstate(divide="ignore"):
            middle, low, high = (logit(area) for area in areas)
        with np.errstate(invalid="ignore"):
            errors = (high - low) / (2 * Z_95)
        usable = np.isfinite(middle) & np.isfinite(errors)
        found = random_effects(np.where(usable, middle, np.nan), errors, interval="hartung-knapp")
        effect = found.effect
        ends = (2 * expit(end) - 1 for end in (effect.value, effect.ci_low, effect.ci_high))
        n = int(part["n"].to_numpy()[usable].sum())
        spread = found.tau2, found.i2, found.p_heterogeneity
        rows.append((quantity, effect.n, n, *ends, found.p_value, *spread, effect.method))
    return pd.DataFrame(rows, columns=_META_COLUMNS)
