"""The CT half of ``espark explain``: what every radiomic feature adds to the answers, and checks of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from espark.bundle.bundle import Bundle
from espark.explain.attribution import CtAttribution, CtAttributor
from espark.explain.ct_checks import FRACTIONS, TOP_SHARE, Agreement, DeletionCurves, agreement, deletion_curves
from espark.explain.ct_groups import ALL, cohort_groups, feature_groups, feature_table, group_sums
from espark.files import write_csv, write_parquet
from espark.plots.ct.ct_attribution import deletion_figure, feature_swarm_figure, group_figure
from espark.plots.style import save_figure
from espark.statistics.classification import proportion
from espark.statistics.estimate import Estimate
from espark.statistics.overlap import mean_estimate
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.types import BoolArray, DoubleArray, Unseen
from espark.wording import number, percent, with_thin_percent
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace

_RANDOM_ORDERS = 10
_SEED = 0
_COMPLETE = 0.01


@dataclass(frozen=True)
class CtExplained:
    """One patient's CT, explained by every model that answered.

    Attributes:
        parts: one attribution per model.
        standardized: (features,) values in SD of the development patients, mean over the models.
        curves: the answer when features are removed or put back.
        agreement: similarity of the models' attributions.
        group_agreement: similarity of the sums by image type and feature class.
    """

    parts: tuple[CtAttribution, ...]
    standardized: DoubleArray
    curves: DeletionCurves
    agreement: Agreement
    group_agreement: Agreement

    @property
    def values(self) -> DoubleArray:
        """(features,) attributions, mean over the models."""
        return np.asarray(np.mean([part.values for part in self.parts], axis=0))


def explain_ct(
    workspace: Workspace, bundle: Bundle, inputs: Inputs, folds: Mapping[str, Unseen], reporter: Reporter
) -> dict[str, Any]:
    """Write the CT's tables and figures.

    A development patient is explained by the fold model that did not see that patient, other patients by all fold
    models.

    Args:
        workspace: the opened study.
        bundle: the model that is explained.
        inputs: every used patient.
        folds: by development patient, the members that did not see that patient.
        reporter: reports the progress.

    Returns:
        Entries for ``checks.json``; empty when the model does not look at CT, or no patient has a CT.
    """
    who = np.flatnonzero(inputs.has_ct)
    if "ct" not in MODELS[bundle.card.model].modalities or not len(who):
        return {}
    attributors = [CtAttributor(member) for member in bundle.members]
    explained: list[CtExplained] = []
    with reporter.track("CT attributions", len(who)) as advance:
        for index in who.tolist():
            fold = folds.get(inputs.patient_ids[index])
            asked = attributors if fold is None else [attributors[number] for number in fold]
            explained.append(_explain_patient(asked, inputs.subset([index])))
            advance()
    seen = inputs.subset(who)
    groups = _write_tables(workspace, seen, explained)
    _draw_figures(workspace, seen, explained, groups)
    return ct_check_entries(seen, explained, folds)


def _explain_patient(attributors: Sequence[CtAttributor], one: Inputs) -> CtExplained:
    parts = tuple(attributor.attribute(one) for attributor in attributors)
    standardized = np.stack([attributor.standardized(one) for attributor in attributors])
    values = np.stack([part.values for part in parts])

    def answer(kept: BoolArray) -> DoubleArray:
        answers = [
            attributor.log_odds(one, kept * row) for attributor, row in zip(attributors, standardized, strict=True)
        ]
        return np.asarray(np.mean(answers, axis=0))

    groups = [
        group
        for group in feature_groups(feature_table(one.scales, one.feature_names))
        if ALL not in (group.image_type, group.feature_class)
    ]
    return CtExplained(
        parts,
        standardized.mean(axis=0),
        deletion_curves(answer, values.mean(axis=0), orders=_RANDOM_ORDERS, seed=_SEED),
        agreement(values),
        agreement(group_sums(groups, values)[0]),
    )


def ct_check_entries(
    inputs: Inputs, explained: Sequence[CtExplained], folds: Mapping[str, Unseen]
) -> dict[str, dict[str, Any]]:
    """Checks of the attributions themselves, each with ``title``, ``n``, value, interval and a sentence.

    Args:
        inputs: the patients that were explained.
        explained: the explanation of each patient.
        folds: by development patient, the members that did not see that patient.
    """
    outside = [part for patient_id, part in zip(inputs.patient_ids, explained, strict=True) if patient_id not in folds]
    return {"ct_attribution_completeness": _completeness_entry(explained), **_agreement_entries(outside)} | {
        f"ct_{name}": _deletion_entry(explained, name) for name in ("deletion", "insertion")
    }


def _cohorts(workspace: Workspace, inputs: Inputs) -> dict[str, BoolArray]:
    """By cohort, and for all cohorts together, (patients,) True for its patients."""
    names = np.array([workspace.cohort[patient_id].cohort_name for patient_id in inputs.patient_ids])
    found = {cohort: names == cohort for cohort in workspace.cohort.cohort_names if (names == cohort).any()}
    return {**found, ALL: np.ones(len(inputs), dtype=bool)}


def _write_tables(workspace: Workspace, inputs: Inputs, explained: Sequence[CtExplained]) -> pd.DataFrame:
    """Write the attributions, the table of groups and the curves; return the table of groups."""
    features = feature_table(inputs.scales, inputs.feature_names)
    values = np.stack([entry.values for entry in explained])
    table = pd.concat([features[["scale", "feature"]]] * len(inputs), ignore_index=True)
    table.insert(0, "patient_id", np.repeat(np.array(inputs.patient_ids, dtype=object), len(features)))
    table["attribution"] = values.ravel()
    write_parquet(workspace.layout.explanation("ct_attribution.parquet"), table)
    known = dict(zip(inputs.scales, inputs.known_scales.T, strict=True))
    groups = cohort_groups(features, values, _cohorts(workspace, inputs), known)
    write_csv(workspace.layout.explanation("ct_groups.csv"), groups)
    write_csv(workspace.layout.explanation("ct_deletion.csv"), _curve_table(explained))
    return groups


def _curve_table(explained: Sequence[CtExplained]) -> pd.DataFrame:
    """Mean movement of the log-odds over the patients, with its interval, at each share of the features."""
    rows = []
    for curve in ("deleted", "deleted_random", "inserted", "inserted_random"):
        movement = np.stack([getattr(entry.curves, curve) for entry in explained])
        for place, share in enumerate(FRACTIONS):
            mean = mean_estimate(movement[:, place])
            rows.append((curve, share, mean.n, mean.value, mean.ci_low, mean.ci_high))
    return pd.DataFrame(rows, columns=["curve", "share", "n", "movement", "ci_low", "ci_high"])


def _draw_figures(workspace: Workspace, inputs: Inputs, explained: Sequence[CtExplained], groups: pd.DataFrame) -> None:
    cohorts = [name for name in _cohorts(workspace, inputs) if name != ALL]
    features = feature_table(inputs.scales, inputs.feature_names)
    values = np.stack([entry.values for entry in explained])
    standardized = np.stack([entry.standardized for entry in explained])
    titles = {name: cohort_title(name) for name in cohorts}
    figures = {
        "ct-attribution-groups": group_figure(groups, titles),
        "ct-attribution-features": feature_swarm_figure(features, values, standardized, outcome=workspace.outcome),
        "ct-deletion": deletion_figure(_curve_table(explained)),
    }
    for name, figure in figures.items():
        save_figure(figure, workspace.layout.figure(name))


def _completeness_entry(explained: Sequence[CtExplained]) -> dict[str, Any]:
    errors = np.array([max(abs(part.completeness) for part in entry.parts) for entry in explained])
    estimate = proportion(int((errors <= _COMPLETE).sum()), len(errors))
    return _entry(
        "CT attributions add up to the answer",
        estimate,
        f"In {_share(estimate)} the attributions of the CT features add up to the change of the log-odds that they "
        f"explain, to within 1 % and in every model; the largest error is "
        f"{percent(errors.max(), 1)} of that change.",
        largest_relative_error=float(errors.max()),
        within_one_percent=estimate.value,
        most_steps=max(part.steps for entry in explained for part in entry.parts),
    )


def _agreement_entries(outside: Sequence[CtExplained]) -> dict[str, dict[str, Any]]:
    several = [entry for entry in outside if len(entry.parts) > 1]
    if not several:
        return {}
    models, entries = len(several[0].parts), {}
    kinds = (
        ("ct_stability_rank", "feature by feature", [entry.agreement.rank for entry in several], "rank correlation"),
        ("ct_stability_cosine", "feature by feature", [entry.agreement.cosine for entry in several], "cosine"),
        ("ct_stability_groups", "group by group", [entry.group_agreement.cosine for entry in several], "cosine"),
    )
    for key, unit, values, measure in kinds:
        estimate = mean_estimate(np.array(values))
        sentence = (
            f"Attributions of the {models} fold models to the same patient, compared {unit}: mean {measure} "
            f"{_number(estimate)} over the pairs of models (n = {estimate.n} patients outside development). 1 means "
            "identical, 0 unrelated. The lower the value, the less reliable is the attribution of a single model."
        )
        entries[key] = _entry(
            f"Agreement of the fold models on the CT, {unit} ({measure})", estimate, sentence, models=models
        )
    return entries


def _deletion_entry(explained: Sequence[CtExplained], name: str) -> dict[str, Any]:
    inserted = name == "insertion"
    gains = np.array([entry.curves.gain(inserted=inserted) for entry in explained])
    estimate, mean = proportion(int((gains > 0).sum()), len(gains)), mean_estimate(gains)
    if inserted:
        title, act = "Putting back", "Starting from the development mean, putting back"
        where = "the patient's own answer"
    else:
        title, act = "Taking away", "Setting to the development mean"
        where = "the answer for the mean development patient"
    return _entry(
        f"{title} the CT features with the most influence moves the answer more than chance",
        estimate,
        f"{act} the {percent(TOP_SHARE)} of the CT features with the most influence moves the log-odds further "
        f"towards {where} than {_RANDOM_ORDERS} random orders do on average, in {_share(estimate)}; the gain is "
        f"{_number(mean)} on average.",
        share_of_features=TOP_SHARE,
        random_orders=_RANDOM_ORDERS,
        mean_gain=mean.value,
        mean_gain_ci_low=_finite(mean.ci_low),
        mean_gain_ci_high=_finite(mean.ci_high),
    )


def _entry(title: str, estimate: Estimate, sentence: str, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "n": estimate.n,
        "value": _finite(estimate.value),
        "ci_low": _finite(estimate.ci_low),
        "ci_high": _finite(estimate.ci_high),
        "sentence": with_thin_percent(sentence),
        **more,
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _share(estimate: Estimate) -> str:
    return (
        f"{percent(estimate.value)} of {estimate.n} patients (95 % interval {100 * estimate.ci_low:.0f} to "
        f"{100 * estimate.ci_high:.0f} %)"
    )


def _number(estimate: Estimate) -> str:
    if not np.isfinite(estimate.ci_low):
        return number(estimate.value)
    return f"{number(estimate.value)} (95 % interval {number(estimate.ci_low)} to {number(estimate.ci_high)})"
