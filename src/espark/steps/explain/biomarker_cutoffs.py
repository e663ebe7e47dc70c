"""``explain/biomarker_cutoffs.csv``: the cut-off of each biomarker and the outcomes on its sides in every cohort.

The cut-off is fitted on the development patients. Their own figures use the cut-offs from the other folds; every other
cohort is compared with the cut-off of all development patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from espark.cells import BIOMARKERS
from espark.explain.biomarkers import cross_fitted_sides, cutoff_metrics, fit_cutoff, on_favorable_side
from espark.outcome import Outcome
from espark.statistics.classification import log_with_error
from espark.statistics.estimate import Estimate
from espark.statistics.meta import random_effects
from espark.types import Unseen
from espark.wording import percent
from espark.workspace.opened import Workspace

SUMMARY = "validation_summary"
"""Cohort of the random-effects summary over the cohorts that were not used to fit the cut-off."""

_COLUMNS = ["biomarker", "cohort", "cutoff", "favorable", "metric", "n", "value", "ci_low", "ci_high", "method"]


def cutoff_rows(workspace: Workspace, biomarkers: pd.DataFrame, folds: Mapping[str, Unseen]) -> pd.DataFrame:
    """The table.

    Args:
        workspace: the opened study.
        biomarkers: ``explain/biomarkers.csv``, with neutral names.
        folds: by development patient, the members that did not see that patient.
    """
    known = biomarkers.dropna(subset=["label"])
    cohorts = np.array([workspace.cohort[str(name)].cohort_name for name in known["patient_id"]], dtype=object)
    return pd.DataFrame(list(_rows(known, cohorts, folds, workspace.outcome)), columns=_COLUMNS)


def _rows(
    known: pd.DataFrame, cohorts: np.typing.NDArray[np.object_], folds: Mapping[str, Unseen], outcome: Outcome
) -> Iterator[tuple[object, ...]]:
    labels = known["label"].to_numpy(np.int64)
    fold = np.array([folds.get(str(name), (-1,))[0] for name in known["patient_id"]])
    for key, entry in BIOMARKERS.items():
        values, favorable = known[key].to_numpy(float), entry.expected_side(adverse=outcome.adverse)
        fitting = fold >= 0
        cutoff = fit_cutoff(values[fitting], labels[fitting], favorable)
        if not np.isfinite(cutoff):
            continue
        sides = on_favorable_side(values, cutoff, favorable)
        sides[fitting] = cross_fitted_sides(values[fitting], labels[fitting], fold[fitting], favorable)
        ratios = []
        for cohort in dict.fromkeys(cohorts):
            inside = cohorts == cohort
            for metric, found in cutoff_metrics(labels[inside], sides[inside]).items():
                yield (key, cohort, cutoff, favorable, metric, *_numbers(found))
                if metric == "odds_ratio" and not fitting[inside].any():
                    ratios.append(found)
        if ratios:
            yield (key, SUMMARY, cutoff, favorable, "odds_ratio", *_numbers(_summary(ratios)))


def _summary(ratios: list[Estimate]) -> Estimate:
    """Random effects on the logarithm of the odds ratio."""
    logs, errors = np.transpose([log_with_error(ratio) for ratio in ratios])
    found = random_effects(logs, errors, interval="hartung-knapp")
    effect = found.effect
    middle, low, high = (float(np.exp(end)) for end in (effect.value, effect.ci_low, effect.ci_high))
    words = f"{effect.method}; {effect.n} cohorts, I² = {percent(found.i2)}, p = {found.p_heterogeneity:.2g}"
    n = sum(ratio.n for ratio in ratios if ratio.available)
    return Estimate(middle, low, high, words if effect.available else effect.method, n)


def _numbers(estimate: Estimate) -> tuple[int, float, float, float, str]:
    return estimate.n, estimate.value, estimate.ci_low, estimate.ci_high, estimate.method
