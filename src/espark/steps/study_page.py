"""Fills in the study report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

import espark
from espark.bundle import DISEASE, BundleCard, load_bundle
from espark.files import fingerprint
from espark.registry import MODELS
from espark.report.content import (
    CohortRow,
    FailedItem,
    FigureSection,
    MetricsTable,
    PatientLink,
    Picture,
    StudyReport,
)
from espark.report.study import render_study
from espark.statistics.metrics import METRICS
from espark.steps.evaluate import cohort_title, trained_models
from espark.steps.manifest import versions
from espark.steps.predictions import read_predictions
from espark.steps.records import ItemStatus, read_record, read_status
from espark.steps.validation import format_interval
from espark.steps.workspace import Workspace

_TABLE_METRICS = ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "brier")
_METRIC_TITLES = {"auc": "AUC", "ppv": "PPV", "npv": "NPV", "brier": "Brier score"}


def study_page(workspace: Workspace, model: str, failed_pages: Sequence[ItemStatus]) -> str:
    """The study report as HTML.

    Args:
        workspace: the opened study.
        model: the model that was explained and that patient pages show.
        failed_pages: patient pages that could not be written.
    """
    card = load_bundle(workspace.layout.model(model)).card
    metrics = pd.read_csv(workspace.layout.metrics)
    failed = [row for row in read_status(workspace.layout) if row.state == "failed"] + list(failed_pages)
    return render_study(
        StudyReport(
            title=workspace.config.study.name,
            simulated=workspace.config.study.simulated,
            disease=DISEASE,
            summary=tuple(_summary(workspace, model, metrics)),
            cohorts=tuple(_cohort_rows(workspace)),
            set_aside=tuple(
                f"{patient.patient_id}: a development patient without a label" for patient in workspace.cohort.set_aside
            ),
            failed=tuple(FailedItem(row.patient_id, row.item, row.error) for row in failed),
            metrics=(_metrics_table(workspace, metrics), _comparison_table(workspace)),
            sections=tuple(_sections(workspace)),
            patients=tuple(_patient_links(workspace, model)),
            methods=_methods(card),
            choices=card.decisions,
            provenance=_provenance(workspace),
        )
    )


def _summary(workspace: Workspace, model: str, metrics: pd.DataFrame) -> Iterator[str]:
    used, development = workspace.cohort.used, workspace.cohort.development
    yield (
        f"{len(used)} patients, {len(development)} of them for development "
        f"({sum(int(patient.pcr or 0) for patient in development)} with pCR)."
    )
    records = [read_record(workspace.layout, patient.patient_id, "ct") or {} for patient in used]
    found = Counter(record["segmenter"] for record in records if record.get("segmenter"))
    for segmenter, count in found.items():
        yield (
            f"The regions of {count} of {sum(patient.ct is not None for patient in used)} CTs are automatic "
            f"({segmenter}); nobody has checked them."
        )
    for cohort in workspace.cohort.cohort_names:
        row = metrics[(metrics["model"] == model) & (metrics["cohort"] == cohort) & (metrics["metric"] == "auc")]
        if not row.empty:
            first = row.iloc[0]
            yield (
                f"{MODELS[model].title}, {cohort_title(cohort)}: AUC {format_interval(first)} "
                f"(n = {first['n']}, {first['n_pcr']} with pCR)."
            )


def _cohort_rows(workspace: Workspace) -> Iterator[CohortRow]:
    for name in workspace.cohort.cohort_names:
        patients = [patient for patient in workspace.cohort.used if patient.cohort_name == name]
        yield CohortRow(
            cohort=name.replace("_", " ") if name == patients[0].role else name,
            role=patients[0].role.replace("_", " "),
            n=len(patients),
            n_pcr=sum(patient.pcr == 1 for patient in patients),
            n_unknown=sum(patient.pcr is None for patient in patients),
            n_ct=sum(patient.ct is not None for patient in patients),
            n_slides=sum(bool(patient.slides) for patient in patients),
        )


def _metrics_table(workspace: Workspace, metrics: pd.DataFrame) -> MetricsTable:
    shown = [name for name in METRICS if name in _TABLE_METRICS]
    columns = ("Model", "Cohort (pCR of n)", *(_METRIC_TITLES.get(name, name.capitalize()) for name in shown))
    rows = []
    for model in trained_models(workspace):
        for cohort in workspace.cohort.cohort_names:
            found = metrics[(metrics["model"] == model) & (metrics["cohort"] == cohort)].set_index("metric")
            if found.empty:
                continue
            values = tuple(format_interval(found.loc[name]) for name in shown)
            first = found.iloc[0]
            title = f"{cohort_title(cohort)} ({first['n_pcr']} of {first['n']})"
            rows.append((MODELS[model].title, title, *values))
    return MetricsTable(
        "Performance by cohort",
        "Value and 95 % interval: AUC by DeLong, shares by Wilson, the Brier score by bootstrap. Development figures "
        "are out of fold, with calibrator and threshold fitted on the other folds.",
        columns,
        tuple(rows),
    )


def _comparison_table(workspace: Workspace) -> MetricsTable:
    table = pd.read_csv(workspace.layout.comparisons)
    rows = tuple(
        (
            f"{MODELS[str(row['model_a'])].title} − {MODELS[str(row['model_b'])].title}",
            cohort_title(str(row["cohort"])),
            format_interval(row.rename({"difference": "value"}), signed=True),
            _p_value(float(row["p_value"])),
        )
        for _, row in table.iterrows()
    )
    return MetricsTable(
        "Differences in AUC on the same patients",
        "DeLong's test for paired curves, two-sided, 95 % interval; not adjusted for multiple comparisons.",
        ("Models", "Cohort", "Difference in AUC", "p"),
        rows,
    )


def _p_value(value: float) -> str:
    if not np.isfinite(value):
        return "not available"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _sections(workspace: Workspace) -> Iterator[FigureSection]:
    models = trained_models(workspace)
    yield FigureSection(
        "Discrimination",
        "ROC curves of every cohort. The external cohorts and the internal test were never seen in training.",
        tuple(_figure(workspace, f"roc-{model}", f"ROC curves of {MODELS[model].title}") for model in models),
    )
    yield FigureSection(
        "Distribution of the predictions",
        "Calibrated probability of a complete response by cohort and outcome; the line is the threshold.",
        tuple(_figure(workspace, f"distribution-{model}", f"Predictions of {MODELS[model].title}") for model in models),
    )


def _figure(workspace: Workspace, name: str, caption: str) -> Picture:
    svg = workspace.layout.figure(name).with_suffix(".svg").read_text(encoding="utf-8")
    return Picture(png=None, svg=svg, alt=caption, caption=caption, wide=name.startswith("distribution"))


def _patient_links(workspace: Workspace, model: str) -> Iterator[PatientLink]:
    answers = {str(row["patient_id"]): row for row in read_predictions(workspace, model).to_dict("records")}
    for patient in workspace.cohort.used:
        row = answers.get(patient.patient_id)
        page = workspace.layout.patient_report(patient.patient_id)
        yield PatientLink(
            patient.patient_id,
            cohort_title(patient.cohort_name),
            patient.pcr,
            str(row["modality"]) if row else "none",
            float(row["probability"]) if row else None,
            int(row["prediction"]) if row else None,
            f"patients/{page.name}" if page.exists() else None,
        )


def _methods(card: BundleCard) -> tuple[str, ...]:
    paragraphs = []
    if card.radiomics is not None:
        spacing = card.radiomics.spacing_mm
        grid = "the CT's own grid" if spacing is None else f"{' × '.join(f'{edge:g}' for edge in spacing)} mm voxels"
        count = " + ".join(f"{len(names)} ({scale})" for scale, names in zip(card.radiomics.scales, card.radiomics.feature_names, strict=True))  # fmt: skip  # noqa: E501
        origin = (
            f"PyRadiomics features on {grid}, bin width {card.radiomics.bin_width_hu:g} HU, image types "
            f"{', '.join(card.radiomics.image_types)}"
            if card.radiomics.source == "espark"
            else "Radiomic features made elsewhere"
        )
        paragraphs.append(
            f"CT. {origin}: {count}. MScaleCT is a multi-layer perceptron of {card.mscalect.depth} layers of "
            f"{card.mscalect.width} units with batch norm and identity activation."
        )
    if card.encoder is not None:
        paragraphs.append(
            f"Slides. Tiles of {card.encoder.tile_px} px at {card.encoder.mpp:g} µm/px with more than "
            f"{card.encoder.min_tissue:.0%} tissue, encoded by {card.encoder.name} ({card.encoder.dim}-d), chosen by "
            f"their similarity to {len(card.encoder.cell_types)} cell types, pooled by gated attention (CytoPath)."
        )
    if card.model == "espark":
        paragraphs.append(
            "Fusion. The CT vector and the slide vector of a patient, each from the models of the same fold, are "
            f"projected, joined and classified. The {card.folds} fold models vote: their calibrated probabilities are "
            "averaged."
        )
    return tuple(paragraphs)


def _provenance(workspace: Workspace) -> tuple[tuple[str, str], ...]:
    layout = workspace.layout
    return (
        ("espark", espark.__version__),
        ("Seed", str(workspace.config.study.seed)),
        ("SHA-256 of cohort.csv", fingerprint(layout.cohort)),
        ("SHA-256 of study.toml", fingerprint(layout.config)),
        *((name, version) for name, version in versions().items() if name != "espark"),
    )
