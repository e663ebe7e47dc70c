"""Biomarkers of one patient, with the outcomes on each side of their cut-offs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from espark.bundle.bundle import Bundle
from espark.bundle.card import BundleCard
from espark.bundle.reference import Reference
from espark.cells import BIOMARKERS, BiomarkerEntry, Side
from espark.explain.biomarkers import cutoff_metrics, fit_cutoff, on_favorable_side
from espark.plots.results.group_differences import biomarker_position_figure
from espark.plots.style import figure_svg
from espark.report.patient_content import Biomarker, SideRow
from espark.report.picture import Picture
from espark.statistics.estimate import Estimate
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.steps.explain.biomarker_cutoffs import SUMMARY
from espark.wording import percent
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

_OTHER: dict[Side, Side] = {"low": "high", "high": "low"}


def biomarker_cards(
    bundle: Bundle, values: Mapping[str, float], sides: Mapping[str, tuple[SideRow, ...]]
) -> tuple[Biomarker, ...]:
    """The biomarkers on a patient's page.

    Args:
        bundle: the model; its development patients give the cut-offs.
        values: the patient's biomarkers.
        sides: by biomarker, the outcomes on each side in a study; without them, the development patients of the bundle
            are shown.
    """
    return tuple(
        _card(entry, values[key], bundle.card, sides.get(key, ()))
        for key, entry in BIOMARKERS.items()
        if values.get(key) is not None
    )


def _card(entry: BiomarkerEntry, value: float, card: BundleCard, sides: tuple[SideRow, ...]) -> Biomarker:
    reference, outcome = card.reference, card.outcome
    expected = entry.expected_side(adverse=outcome.adverse)
    known = np.array(reference.biomarkers.get(entry.key, ()), dtype=np.float64)
    labels = np.array(reference.biomarker_labels.get(entry.key, ()), dtype=np.int64)
    lower = 100 * float(np.mean(known < value)) if known.size else None
    cutoff = fit_cutoff(known, labels, expected) if labels.size else float("nan")
    if not np.isfinite(cutoff):
        return Biomarker(entry.title, entry.definition, value, lower, known.size)
    favorable = bool(on_favorable_side(np.array([value]), cutoff, expected)[0])
    figure = biomarker_position_figure(
        known, labels, value, outcome=outcome, cutoff=cutoff, name=entry.title, favorable=expected
    )
    return Biomarker(
        entry.title,
        entry.definition,
        value,
        lower,
        known.size,
        cutoff=cutoff,
        favorable=expected,
        side=expected if favorable else _OTHER[expected],
        picture=Picture(
            png=None,
            svg=figure_svg(figure),
            alt=f"{entry.title} {value:.2g} among {known.size} development patients; cut-off {cutoff:.2g}",
            caption=f"Each point is a development patient. Shaded: the side on which {outcome.name} was expected "
            "before any outcome was looked at.",
        ),
        sides=sides or _development_sides(entry, reference, expected),
    )


def _development_sides(entry: BiomarkerEntry, reference: Reference, expected: Side) -> tuple[SideRow, ...]:
    """The development patients of the bundle, each compared with the cut-off from the other folds."""
    labels = np.array(reference.biomarker_labels[entry.key], dtype=np.int64)
    found = cutoff_metrics(labels, np.array(reference.biomarker_favorable[entry.key], dtype=bool))
    return (_row("development", expected, found),)


def study_sides(workspace: Workspace) -> dict[str, tuple[SideRow, ...]]:
    """By biomarker, the outcomes on each side of its cut-off in the cohorts of a study that was explained."""
    path = workspace.layout.explanation("biomarker_cutoffs.csv")
    if not path.exists():
        return {}
    table = workspace.outcome.neutral(stored_table(workspace.layout, path), path)
    found = {}
    for key, part in table[table["cohort"] != SUMMARY].groupby("biomarker", sort=False):
        cohorts = part.groupby("cohort", sort=False)
        expected = BIOMARKERS[str(key)].expected_side(adverse=workspace.outcome.adverse)
        found[str(key)] = tuple(_row(str(cohort), expected, _estimates(rows)) for cohort, rows in cohorts)
    return found


def _estimates(rows: pd.DataFrame) -> dict[str, Estimate]:
    return {
        str(row["metric"]): Estimate(row["value"], row["ci_low"], row["ci_high"], row["method"], int(row["n"]))
        for row in rows.to_dict("records")
    }


def _row(cohort: str, expected: Side, found: Mapping[str, Estimate]) -> SideRow:
    words = {expected: _share(found["positive_favorable"]), _OTHER[expected]: _share(found["positive_unfavorable"])}
    ratio = found["odds_ratio"]
    differs = ratio.ci_low > 1 or ratio.ci_high < 1
    return SideRow(cohort_title(cohort), words["low"], words["high"], ratio_text(ratio), differs)


def _share(estimate: Estimate) -> str:
    if not estimate.available:
        return "no patients"
    count = round(estimate.value * estimate.n)
    low, high = 100 * estimate.ci_low, 100 * estimate.ci_high
    return f"{count} of {estimate.n}: {percent(estimate.value)} ({low:.0f}–{high:.0f})"


def ratio_text(estimate: Estimate) -> str:
    """An odds ratio with its interval, and a star when a count was 0."""
    if not estimate.available:
        return "not available"
    star = "*" if "Haldane" in estimate.method else ""
    return f"{_digits(estimate.value)}{star} ({_digits(estimate.ci_low)}–{_digits(estimate.ci_high)})"


def _digits(value: float) -> str:
    if value >= 1000:
        return "over 1000"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
