"""Cell types and biomarkers of the explain step: contributions, scores, their tests, cut-offs, ablation, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from espark.bundle.bundle import Bundle
from espark.cells import BIOMARKERS
from espark.files import write_csv
from espark.steps.ablate.cell_ablation import ablate_at_prediction
from espark.steps.explain.biomarker_cutoffs import cutoff_rows
from espark.steps.explain.biomarker_tests import meta_rows, test_rows
from espark.steps.explain.cell_figures import cell_figures
from espark.steps.explain.patient_explanation import PatientExplanation
from espark.training.inputs import Inputs
from espark.types import Unseen
from espark.work.progress import Reporter
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace

_WHO = ["patient_id", "center", "label"]


def explain_cells(
    workspace: Workspace,
    bundle: Bundle,
    inputs: Inputs,
    explanations: Mapping[str, PatientExplanation],
    folds: Mapping[str, Unseen],
    reporter: Reporter,
) -> None:
    """Write everything about cells under ``explain/``, and the figures.

    Args:
        workspace: the opened study.
        bundle: the model that is explained.
        inputs: every patient of the study.
        explanations: by patient.
        folds: by development patient, the members that did not see that patient.
        reporter: reports the progress.
    """
    patients = [(workspace.cohort[name], explanation) for name, explanation in explanations.items()]
    cell_types, biomarkers = contribution_table(patients), biomarker_table(patients)
    tests = test_rows(cell_types, biomarkers)
    tables = {
        "cell_types.csv": cell_types,
        "biomarkers.csv": biomarkers,
        "tests.csv": tests,
        "meta.csv": meta_rows(tests),
        "biomarker_cutoffs.csv": cutoff_rows(workspace, biomarkers, folds),
    }
    for name, table in tables.items():
        write_csv(workspace.layout.explanation(name), workspace.outcome.named(table))
    ablate_at_prediction(workspace, bundle, inputs, folds, reporter)
    cell_figures(workspace)


def contribution_table(patients: Sequence[tuple[Patient, PatientExplanation]]) -> pd.DataFrame:
    """``cell_types.csv``, with neutral names."""
    rows = [(*_who(patient), key, value) for patient, found in patients for key, value in found.contributions.items()]
    return pd.DataFrame(rows, columns=[*_WHO, "cell_type", "contribution"]).astype({"label": "Int64"})


def biomarker_table(patients: Sequence[tuple[Patient, PatientExplanation]]) -> pd.DataFrame:
    """``biomarkers.csv``, with neutral names."""
    rows = [
        (*_who(patient), *(found.biomarkers[key] for key in BIOMARKERS))
        for patient, found in patients
        if found.biomarkers
    ]
    return pd.DataFrame(rows, columns=[*_WHO, *BIOMARKERS]).astype({"label": "Int64"})


def _who(patient: Patient) -> tuple[str, str, int | None]:
    return patient.patient_id, patient.center, patient.label
