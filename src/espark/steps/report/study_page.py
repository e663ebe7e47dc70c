"""Fills in the study report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from espark._version import __version__
from espark.bundle.folder import load_bundle
from espark.files import fingerprint
from espark.outcome import NEGATIVE, POSITIVE
from espark.report import words
from espark.report.picture import Picture
from espark.report.study_content import CohortRow, FailedItem, FigureSection, MetricsTable, PatientLink, StudyReport
from espark.report.study_html import render_study
from espark.statistics.metrics import METRICS
from espark.steps.evaluate.evaluate import trained_models
from espark.steps.evaluate.evaluation_figures import decision_name
from espark.steps.evaluate.evaluation_tables import POOLED, cohort_title, evaluated_cohorts
from espark.steps.evaluate.validation import format_interval, read_metrics
from espark.steps.explain.ct_pair import NAMED, RULE
from espark.steps.report.study_cells import cell_sections, cutoff_table
from espark.steps.report.study_checklist import checklist
from espark.steps.report.study_flow import flow
from espark.steps.report.study_methods import methods
from espark.steps.report.study_results import further_tables
from espark.steps.report.study_tables import checks_table, subgroup_table
from espark.steps.train.predictions import read_predictions
from espark.training.members.catalogue import MODELS
from espark.workspace.manifest import versions
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus, read_record, read_status
from espark.workspace.stored import stored_content, stored_table

_TABLE_METRICS = ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "brier")
_WIDE = (
    "cohort",
    "clinical",
    "roc",
    "auc",
    "corrections",
    "screening",
    "ablation-ct",
    "ct-attribution-groups",
    "ct-attribution-features",
    "ct-pair",
    "ct-pair-named",
    "ct-deletion",
    "cell-types",
    "cell-ablation",
    "tile-clusters",
    "tile-cluster-profile",
    "tile-cluster-examples",
    "slide-curves",
)
_FIXED_SPACE = "\u00a0"
_FEWEST_TO_COMPARE = 75
"""The smallest cohort that the default recipe is made for."""

_METRIC_TITLES = {"auc": "AUC", "ppv": "PPV", "npv": "NPV", "brier": "Brier score"}


def study_page(workspace: Workspace, model: str, failed_pages: Sequence[ItemStatus]) -> str:
    """The study report as HTML.

    Args:
        workspace: the opened study.
        model: the model that was explained and that patient pages show.
        failed_pages: patient pages that could not be written.
    """
    card = load_bundle(workspace.layout.model(model)).card
    metrics = read_metrics(workspace)
    failed = [row for row in read_status(workspace.layout) if row.state == "failed"] + list(failed_pages)
    links = tuple(_patient_links(workspace, model, {row.patient_id for row in failed_pages}))
    return render_study(
        StudyReport(
            title=workspace.config.study.name,
            simulated=workspace.config.study.simulated,
            disease=workspace.config.study.disease,
            outcome=workspace.outcome,
            summary=tuple(_summary(workspace, model, metrics)),
            cohorts=tuple(_cohort_rows(workspace)),
            set_aside=tuple(
                f"{patient.patient_id}: a development patient without a label" for patient in workspace.cohort.set_aside
            ),
            failed=tuple(FailedItem(row.patient_id, row.item, row.error) for row in failed),
            metrics=(
                metrics_table(workspace, metrics),
                _comparison_table(workspace),
                _moves_table(workspace),
                *further_tables(workspace, card, metrics),
                *subgroup_table(workspace, model),
                *cutoff_table(workspace),
                *checks_table(workspace),
            ),
            sections=tuple(result_sections(workspace)),
            patients=links,
            methods=methods(card),
            flow=flow(workspace, links),
            checklist=checklist(workspace, card),
            choices=card.decisions,
            provenance=_provenance(workspace),
        )
    )


def _summary(workspace: Workspace, model: str, metrics: pd.DataFrame) -> Iterator[str]:
    used, development = workspace.cohort.used, workspace.cohort.development
    yield (
        f"{len(used)} patients, {len(development)} of them for development "
        f"({sum(int(patient.label or 0) for patient in development)} with {workspace.outcome.name})."
    )
    yield from few_patients(len(development), model)
    records = [read_record(workspace.layout, patient.patient_id, "ct") or {} for patient in used]
    found = Counter(record["segmenter"] for record in records if record.get("segmenter"))
    for segmenter, count in found.items():
        yield (
            f"The regions of {count} of {sum(patient.files.ct is not None for patient in used)} CTs are automatic "
            f"({segmenter}) and were not checked by a person."
        )
    for cohort in workspace.cohort.cohort_names:
        row = metrics[(metrics["model"] == model) & (metrics["cohort"] == cohort) & (metrics["metric"] == "auc")]
        if not row.empty:
            first = row.iloc[0]
            yield (
                f"{MODELS[model].title}, {cohort_title(cohort)}: AUC {format_interval(first)} "
                f"(n = {first['n']}, {first['n_positive']} with {workspace.outcome.name})."
            )


def few_patients(development: int, model: str) -> Iterator[str]:
    """What a study cannot show because it has few development patients; nothing where there are enough.

    Args:
        development: how many there are.
        model: key of ``MODELS``; only one that joins CT and slides is compared with its parts.
    """
    if development < _FEWEST_TO_COMPARE and MODELS[model].fuses:
        parts = " and ".join(MODELS[name].title for name in MODELS[model].starts_from)
        yield (
            f"{development} development patients are too few to show whether {MODELS[model].title} is better than "
            f"{parts} alone: which of them has the highest AUC is largely chance. Plan with at least "
            f"{_FEWEST_TO_COMPARE}."
        )


def _cohort_rows(workspace: Workspace) -> Iterator[CohortRow]:
    for name in workspace.cohort.cohort_names:
        patients = [patient for patient in workspace.cohort.used if patient.cohort_name == name]
        yield CohortRow(
            cohort=name.replace("_", " ") if name == patients[0].role else name,
            role=patients[0].role.replace("_", " "),
            n=len(patients),
            n_positive=sum(patient.label == 1 for patient in patients),
            n_unknown=sum(patient.label is None for patient in patients),
            n_ct=sum(patient.files.ct is not None for patient in patients),
            n_slides=sum(bool(patient.files.slides) for patient in patients),
        )


def metrics_table(workspace: Workspace, metrics: pd.DataFrame) -> MetricsTable:
    """The performance of every model in every cohort, with intervals."""
    shown = [name for name in METRICS if name in _TABLE_METRICS]
    counts = f"Cohort ({workspace.outcome.name} of n)"
    columns = ("Model", counts, *(_METRIC_TITLES.get(name, name.capitalize()) for name in shown))
    rows = []
    for model in trained_models(workspace):
        for cohort in evaluated_cohorts(workspace):
            found = metrics[(metrics["model"] == model) & (metrics["cohort"] == cohort)].set_index("metric")
            if found.empty:
                continue
            values = tuple(format_interval(found.loc[name]) for name in shown)
            first = found.iloc[0]
            title = f"{cohort_title(cohort)} ({first['n_positive']} of {first['n']})"
            rows.append((MODELS[model].title, title, *values))
    return MetricsTable(
        "Performance by cohort",
        "Value and 95 % interval: AUC by DeLong, shares by Wilson, the Brier score by bootstrap. Development figures "
        "are out of fold, with calibrator and threshold fitted on the other folds.",
        columns,
        tuple(rows),
    )


def _comparison_table(workspace: Workspace) -> MetricsTable:
    table = stored_table(workspace.layout, workspace.layout.comparisons)
    rows = tuple(
        (
            _pair(row),
            cohort_title(str(row["cohort"])),
            format_interval(row.rename({"difference": "value"}), signed=True),
            _p_value(float(row["p_value"])),
            _p_value(float(row["p_adjusted"])),
            _detectable(float(row["detectable"])),
        )
        for _, row in table[table["metric"] == "auc"].iterrows()
    )
    return MetricsTable(
        "Differences in AUC on the same patients",
        "DeLong's test for paired curves, two-sided, 95 % interval; p is adjusted by Holm's method over the pairs of "
        "models in a cohort. Detectable: the difference that this number of patients would detect with 80 % power; "
        "“none” when not even the largest possible difference would be detected.",
        ("Models", "Cohort", "Difference in AUC", "p", "p, adjusted", "Detectable"),
        rows,
    )


def _moves_table(workspace: Workspace) -> MetricsTable:
    outcome, path = workspace.outcome, workspace.layout.reclassification
    table = outcome.neutral(stored_table(workspace.layout, path), path)
    gains = stored_table(workspace.layout, workspace.layout.comparisons).query("metric == 'idi'")
    gains = gains.rename(columns={"difference": "value"}).set_index(["model_a", "model_b", "cohort"])
    rows = tuple(
        (
            _pair(row),
            cohort_title(str(row["cohort"])),
            _moved(row, POSITIVE),
            _moved(row, NEGATIVE),
            format_interval(row.rename({"nri": "value"}), signed=True),
            _p_value(float(row["p_value"])),
            format_interval(gains.loc[(row["model_a"], row["model_b"], row["cohort"])], signed=True),
        )
        for _, row in table.iterrows()
    )
    with_and_without = (f"With {outcome.name}", f"Without {outcome.name}")
    return MetricsTable(
        "Decisions that change",
        "Patients with a decision that the first model corrects / worsens compared with the second, each model at its "
        "own threshold; net reclassification with its 95 % interval; p by McNemar's exact test. Integrated "
        f"discrimination: how much further apart the mean probabilities of patients with and without {outcome.name} "
        "are; it needs no threshold.",
        ("Models", "Cohort", *with_and_without, "Net reclassification", "p", "Integrated discrimination"),
        rows,
    )


def _moved(row: pd.Series, label: str) -> str:
    """How many decisions get better and worse among the patients of one label, on one line."""
    text = f"{row[f'{label}_corrected']} / {row[f'{label}_worsened']} of {row[f'n_{label}']}"
    return text.replace(" ", _FIXED_SPACE)


def _pair(row: pd.Series) -> str:
    return f"{MODELS[str(row['model_a'])].title} − {MODELS[str(row['model_b'])].title}"


def _detectable(difference: float) -> str:
    """A difference in AUC; “none” when not even the largest possible one would be detected."""
    if not np.isfinite(difference):
        return "not available"
    return "none" if difference > 1 else f"{difference:.2f}"


def _p_value(value: float) -> str:
    if not np.isfinite(value):
        return "not available"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def result_sections(workspace: Workspace) -> Iterator[FigureSection]:
    """The figures of the study that were drawn, under the headings of its report."""
    titles = {model: MODELS[model].title for model in trained_models(workspace)}
    outcome = workspace.outcome.name
    cohorts = evaluated_cohorts(workspace)
    shown = POOLED if POOLED in cohorts else cohorts[-1]
    sections = (
        ("The cohort", "Patients by center and role, and their clinical columns.",
         {"cohort": "Patients by center, role and outcome", "clinical": "Clinical columns, patient by patient"}),
        ("Discrimination",
         "ROC curves and AUC of every model. The external cohorts and the internal test were never seen in training.",
         {"roc": "ROC curves by cohort", "auc": "AUC with 95 % interval by cohort"}
         | {f"roc-{model}": f"ROC curves of {title}" for model, title in titles.items()}),
        ("CT features and the outcome",
         f"Univariate logistic regression of {outcome} on each radiomic feature, on the development patients alone; p "
         "adjusted by Benjamini and Hochberg's method within a scale. This is a description; no model uses it.",
         {"screening": "Every CT feature by image type and scale",
          "screening-venn": "Significant features by scale"}),
        ("CT models",
         "The CT models beside each other, each trained on the same folds: MScaleCT, the same network on one scale, "
         "and logistic regressions whose features are selected inside the fold.",
         {"ablation-ct": "AUC of CT models with 95 % interval by cohort"}),
        ("What the CT adds to the answers",
         "Integrated gradients from the answer to every radiomic feature, compared with the mean development patient: "
         "mean and 95 % interval over the patients of a cohort. A development patient is explained by the fold model "
         "that did not see that patient, every other patient by the mean of all. " + _pair_words(workspace),
         {"ct-attribution-groups": "CT attribution by image type and feature class, at each scale",
          "ct-attribution-features": "The CT features that move the answers most",
          "ct-pair": f"A patient with {outcome} beside a patient without",
          "ct-pair-named": "Two patients named by the user, side by side",
          "ct-deletion": "The answer when CT features are taken away or put back"}),
        ("Distribution of the predictions",
         f"Calibrated probability of {outcome} by cohort and outcome; the line is the threshold.",
         {f"distribution-{model}": f"Predictions of {title}" for model, title in titles.items()}),
        ("Calibration",
         f"Observed share of patients with {outcome} against the predicted probability, in groups of patients.",
         {f"calibration-{model}": f"Calibration of {title}" for model, title in titles.items()}),
        ("Corrected predictions", "The decisions of MScaleCT, from the CT alone, that eSPARK corrects or worsens.",
         {"corrections": "Decisions of MScaleCT that eSPARK changes"}),
        ("Decision curves",
         "Net benefit of acting on patients at or above a threshold probability, compared with acting on all or none.",
         {decision_name(shown): f"Decision curves, {cohort_title(shown)}"}),
        *cell_sections(workspace),
        ("Tiles and clusters of tiles",
         "Clusters were found on development tiles alone (k-means; the largest number from 4 to 10 with a mean "
         "silhouette of at least 0.8 of the best) and named after the cell type they resemble. All other tiles were "
         "assigned to the nearest cluster. The map is a t-SNE of development tiles; other tiles are at the mean of "
         "their three nearest. The curves show whether the answer depends on the tiles that the explanations name.",
         {"tile-clusters": "Tiles of every cohort on the map of the development tiles",
          "tile-cluster-profile": "Similarity of each cluster to each cell type, in SD of the development tiles",
          "tile-cluster-examples": "Development tiles nearest to the center of each cluster, one per patient",
          "slide-curves": "Answers when tiles are taken away or put in"}),
    )  # fmt: skip
    for title, text, figures in sections:
        drawn = tuple(
            _figure(workspace, name, caption) for name, caption in figures.items() if _drawing(workspace, name).exists()
        )
        if drawn:
            yield FigureSection(title, text, drawn)


def _pair_words(workspace: Workspace) -> str:
    """How the two patients of each pair were chosen."""
    pairs = {"The pair of patients": RULE, "A further pair": NAMED}
    paths = {who: workspace.layout.explanation(f"{name}.json") for who, name in pairs.items()}
    chosen = {who: stored_content(workspace.layout, path, "basis") for who, path in paths.items() if path.exists()}
    return " ".join(f"{who} is {pair['basis']}." for who, pair in chosen.items())


def _drawing(workspace: Workspace, name: str) -> Path:
    # The name of a center may contain a dot, so `with_suffix` cannot be used.
    figure = workspace.layout.figure(name)
    return figure.with_name(f"{figure.name}.svg")


def _figure(workspace: Workspace, name: str, caption: str) -> Picture:
    svg = _drawing(workspace, name).read_text(encoding="utf-8")
    wide = name in _WIDE or name.startswith(("distribution", "cell-types", "biomarkers"))
    return Picture(png=None, svg=svg, alt=caption, caption=caption, wide=wide)


def _patient_links(workspace: Workspace, model: str, failed: Collection[str]) -> Iterator[PatientLink]:
    """The patient table; an answer that the patient's own page does not print is not printed here either.

    Args:
        workspace: the opened study.
        model: the model that gave the answers.
        failed: patients without a page because of a failure; it is not known whether the model applies to them.
    """
    answers = {str(row["patient_id"]): row for row in read_predictions(workspace, model).to_dict("records")}
    for patient in workspace.cohort.used:
        row = answers.get(patient.patient_id)
        page = workspace.layout.patient_report(patient.patient_id)
        unprinted = ""
        if row and patient.patient_id in failed:
            unprinted = "no page, so no answer"
        elif row and _withheld(workspace, patient.patient_id):
            unprinted = words.WITHHELD_MARK
        yield PatientLink(
            patient.patient_id,
            cohort_title(patient.cohort_name),
            patient.label,
            str(row["modality"]) if row else "none",
            float(row["probability"]) if row and not unprinted else None,
            int(row["prediction"]) if row and not unprinted else None,
            f"patients/{page.name}" if page.exists() else None,
            unprinted,
        )


def _withheld(workspace: Workspace, patient_id: str) -> bool:
    """Whether a patient's page withholds the answer, according to the page's record; unknown counts as withheld."""
    record = read_record(workspace.layout, patient_id, "report") or {}
    return bool(record.get("withheld", True))


def _provenance(workspace: Workspace) -> tuple[tuple[str, str], ...]:
    layout = workspace.layout
    return (
        ("espark", __version__),
        ("Seed", str(workspace.config.study.seed)),
        ("SHA-256 of cohort.csv", fingerprint(layout.cohort)),
        ("SHA-256 of study.toml", fingerprint(layout.config)),
        *((("SHA-256 of cytology.toml", fingerprint(layout.cytology)),) if layout.cytology.exists() else ()),
        *((name, version) for name, version in versions().items() if name != "espark"),
    )
