"""Checks of the slide explanations: are they complete, do they matter for the answer, and do the models agree?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from espark.explain.deletion import CHECKED_SHARE, RANDOM, SHARES, TileCurves
from espark.explain.focus import is_even
from espark.files import read_json, write_json
from espark.plots.slides.slide_checks import tile_curves_figure
from espark.plots.style import save_figure
from espark.statistics.classification import proportion
from espark.statistics.estimate import Estimate
from espark.statistics.overlap import mean_estimate
from espark.steps.evaluate.validation import interval_text
from espark.steps.explain.slide_evidence import SlideEvidence
from espark.types import DoubleArray, Unseen
from espark.wording import percent, with_thin_percent
from espark.workspace.layout import StudyLayout

COMPLETE_TO = 0.01
WANTED_SHARE = 0.9

_AT = SHARES.index(CHECKED_SHARE)


def write_slide_checks(
    layout: StudyLayout,
    evidence: Mapping[str, SlideEvidence],
    directions: Mapping[str, int],
    folds: Mapping[str, Unseen],
) -> None:
    """Add the slides' entries to ``checks.json`` and draw the curves.

    Args:
        layout: the study folder.
        evidence: by patient.
        directions: by patient with a confident answer, 1 for the outcome and −1 for its absence.
        folds: by development patient, the members that did not see that patient; all members answer for others.
    """
    curves = {key: part.curves for key, part in evidence.items() if part.curves is not None}
    signed = {key: directions[key] for key in curves}
    # Even attention does not rank the tiles: an order by it would only be the order of storage.
    ranked = {key: part for key, part in curves.items() if not is_even(evidence[key].attention)}
    entries = {
        "slide_completeness": _completeness([part for part in evidence.values() if part.attributed]),
        "slide_deletion": _deletion(curves, signed),
        "slide_deletion_attention": _deletion_by_attention(ranked),
        "slide_insertion": _insertion(curves, signed),
        **_agreement([part for key, part in evidence.items() if key not in folds]),
    }
    path = layout.explanation("checks.json")
    write_json(path, (read_json(path) if path.exists() else {}) | entries)
    if curves:
        order = ("attribution", "attention", RANDOM) if ranked else ("attribution", RANDOM)
        deletion, insertion = (
            {
                name: _changes(ranked if name == "attention" else curves, signed, name, inserted=inserted)
                for name in order
            }
            for inserted in (False, True)
        )
        save_figure(tile_curves_figure(deletion, insertion, np.array(SHARES)), layout.figure("slide-curves"))


def _entry(title: str, estimate: Estimate, sentence: str) -> dict[str, Any]:
    numbers = {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high}
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {"title": title, "n": estimate.n, **finite, "sentence": with_thin_percent(sentence)}


def _completeness(parts: list[SlideEvidence]) -> dict[str, Any]:
    complete = proportion(sum(part.completeness <= COMPLETE_TO for part in parts), len(parts))
    largest = max((part.completeness for part in parts), default=0.0)
    return _entry(
        "Slide attributions are complete",
        complete,
        f"In {_of(complete)} patients the attributions of the tiles add up, to 1 %, to the difference in log-odds "
        f"between the patient's tiles and mean tiles; the largest error is {percent(largest, 2)}.",
    ) | {"largest_relative_error": largest}


def _deletion(curves: Mapping[str, TileCurves], signed: Mapping[str, int]) -> dict[str, Any]:
    further = [
        signed[key] * (part.full - float(part.deletion["attribution"][_AT])) > part.moved_at_random
        for key, part in curves.items()
    ]
    share = proportion(sum(further), len(further))
    return _entry(
        "Deletion of tiles by attribution",
        share,
        f"In {_of(share)} patients with a confident answer, removing the fifth of the tiles that favors this answer "
        "most moves the log-odds away from it. It moves them further than removing a random fifth does in either "
        "direction (mean of 20 random orders).",
    )


def _deletion_by_attention(curves: Mapping[str, TileCurves]) -> dict[str, Any]:
    further = [
        abs(part.full - float(part.deletion["attention"][_AT])) > part.moved_at_random for part in curves.values()
    ]
    share = proportion(sum(further), len(further))
    return _entry(
        "Deletion of tiles by attention",
        share,
        f"In {_of(share)} patients with a confident answer, removing the fifth of the tiles with the most attention "
        "moves the log-odds further than removing a random fifth.",
    )


def _insertion(curves: Mapping[str, TileCurves], signed: Mapping[str, int]) -> dict[str, Any]:
    place = SHARES.index(round(1 - CHECKED_SHARE, 1))
    further = [
        signed[key] * float(part.insertion["attribution"][place] - part.insertion[RANDOM][place]) > 0
        for key, part in curves.items()
    ]
    share = proportion(sum(further), len(further))
    return _entry(
        "Insertion of tiles by attribution",
        share,
        f"In {_of(share)} patients with a confident answer, the fifth of the tiles that favors this answer most gives "
        "a stronger answer than a random fifth, without the other tiles.",
    )


def _agreement(parts: list[SlideEvidence]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, what in (("attention", "attention"), ("attribution", "attributions")):
        mean = mean_estimate(np.array([getattr(part, f"{name}_agreement") for part in parts], dtype=np.float64))
        value = interval_text(mean.value, mean.ci_low, mean.ci_high)
        found[f"slide_{name}_stability"] = _entry(
            f"Stability of the {what} from model to model",
            mean,
            f"Mean rank correlation of the tiles' {what} between every two fold models: {value} over {mean.n} patients "
            "that no model saw in training.",
        )
    return found


def _of(share: Estimate) -> str:
    return f"{round(share.value * share.n)} of {share.n}" if share.available else "0 of 0"


def _changes(curves: Mapping[str, TileCurves], signed: Mapping[str, int], order: str, *, inserted: bool) -> DoubleArray:
    """(patients, shares) change of the log-odds toward the patient's own answer."""
    rows = [
        signed[key] * ((part.insertion if inserted else part.deletion)[order] - part.full)
        for key, part in curves.items()
    ]
    return np.array(rows)
