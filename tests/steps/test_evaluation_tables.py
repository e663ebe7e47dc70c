"""Rows of the tables of an evaluation, from predictions made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.steps.evaluate.evaluation_tables import (
    COMPARISON_COLUMNS,
    POOLED,
    RECLASSIFICATION_COLUMNS,
    SUBGROUP_COLUMNS,
    comparison_table,
    evaluated_cohorts,
    labelled,
    metric_rows,
    reclassification_rows,
    set_estimates,
    subgroup_rows,
)
from espark.types import ClinicalColumn
from espark.workspace.config import StudySettings
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.template import config_template

AGES = {"development": (50, 60, 60, 70, 80), "B": (40, 60, 61, 90), "C": (60, 90)}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Eleven patients of three centers without images, whose median age in development is 60."""
    lines = ["patient_id,center,role,pcr,age,sex"]
    for cohort, ages in AGES.items():
        center, role = ("A", "development") if cohort == "development" else (cohort, "external")
        for number, age in enumerate(ages):
            lines.append(f"{center}-{number},{center},{role},{number % 2},{age},{'m' if number < 2 else ''}")
    (tmp_path / "cohort.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    clinical = (ClinicalColumn("age", "number", "years"), ClinicalColumn("sex", "category"))
    config = config_template(StudySettings(), clinical) + '\n[[ct_features]]\nfile = "radiomics.csv"\n'
    (tmp_path / "study.toml").write_text(config, encoding="utf-8")
    (tmp_path / "radiomics.csv").write_text("patient_id,original_a\n", encoding="utf-8")
    return open_workspace(tmp_path)


def predictions(workspace: Workspace, *, shift: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Probabilities; the calls are those at one half."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in workspace.cohort.used:
        assert patient.label is not None
        probability = float(np.clip(0.5 + shift * (patient.label - 0.5) + 0.2 * rng.normal(), 0.01, 0.99))
        rows.append((patient.patient_id, patient.role, patient.cohort_name, patient.label, probability))
    table = pd.DataFrame(rows, columns=["patient_id", "role", "cohort", "label", "probability"])
    return table.assign(prediction=(table["probability"] >= 0.5).astype(int), conformal_set="positive;negative")


def test_external_cohorts_are_judged_by_themselves_and_together(workspace: Workspace) -> None:
    assert evaluated_cohorts(workspace) == ("development", "B", "C", POOLED)
    table = predictions(workspace)
    assert [len(labelled(table, cohort)) for cohort in evaluated_cohorts(workspace)] == [5, 4, 2, 6]
    table.loc[table["cohort"] == "B", "label"] = np.nan
    assert [len(labelled(table, cohort)) for cohort in ("B", POOLED)] == [0, 2]


def test_a_cohort_without_outcomes_has_no_row(workspace: Workspace) -> None:
    table = predictions(workspace)
    table.loc[table["cohort"] == "C", "label"] = np.nan
    rows = list(metric_rows({"espark": table}, ("B", "C"), prevalences=(0.25,)))
    assert {row[1] for row in rows} == {"B"}
    assert {row[2:4] for row in rows} == {(4, 2)}
    assert {"ppv_at_0.25", "npv_at_0.25", "conformal_coverage", "auc_bootstrap"} <= {row[4] for row in rows}


def test_numbers_are_cut_at_the_median_of_the_development_patients_who_lie_on_it_below(workspace: Workspace) -> None:
    table = pd.DataFrame(
        subgroup_rows(workspace, {"espark": predictions(workspace)}, evaluated_cohorts(workspace)),
        columns=SUBGROUP_COLUMNS,
    ).set_index(["cohort", "subgroup", "level"])
    counts = table["n"].xs("age", level="subgroup").to_dict()
    assert counts == {
        ("development", "≤ 60 years"): 3, ("development", "> 60 years"): 2,
        ("B", "≤ 60 years"): 2, ("B", "> 60 years"): 2,
        ("C", "≤ 60 years"): 1, ("C", "> 60 years"): 1,
        (POOLED, "≤ 60 years"): 3, (POOLED, "> 60 years"): 3,
    }  # fmt: skip
    # Everybody whose sex is known is a man, and a cohort of one center has no subgroup by center.
    assert set(table.index.get_level_values("subgroup")) == {"age", "center"}
    assert table["n"].xs("center", level="subgroup").to_dict() == {(POOLED, "B"): 4, (POOLED, "C"): 2}


def test_a_comparison_is_the_later_model_minus_the_earlier(workspace: Workspace) -> None:
    models = {"clinical": predictions(workspace), "espark": predictions(workspace, shift=0.9)}
    table = comparison_table(models, (POOLED,)).set_index("metric")
    assert list(comparison_table(models, (POOLED,)).columns) == COMPARISON_COLUMNS
    assert set(zip(table["model_a"], table["model_b"], strict=True)) == {("espark", "clinical")}
    assert table.loc["auc", "difference"] > 0
    gain = models["espark"]["probability"] - models["clinical"]["probability"]
    external = models["espark"]["role"] == "external"
    positive = models["espark"]["label"] == 1
    expected = gain[external & positive].mean() - gain[external & ~positive].mean()
    assert table.loc["idi", "difference"] == pytest.approx(expected)


def test_corrected_and_worsened_are_counted_from_the_earlier_model_to_the_later(workspace: Workspace) -> None:
    before = predictions(workspace)
    before["prediction"] = 1  # the two patients with the outcome are called rightly, the two without wrongly
    after = before.assign(prediction=0)
    rows = reclassification_rows({"clinical": before, "espark": after}, ("B",))
    [row] = [dict(zip(RECLASSIFICATION_COLUMNS, row, strict=True)) for row in rows]
    assert (row["model_a"], row["model_b"]) == ("espark", "clinical")
    assert (row["n_positive"], row["n_negative"]) == (2, 2)
    assert (row["positive_corrected"], row["positive_worsened"]) == (0, 2)
    assert (row["negative_corrected"], row["negative_worsened"]) == (2, 0)
    assert row["nri"] == pytest.approx(0.0)


def test_a_set_holds_the_outcome_or_not_and_is_one_answer_or_not() -> None:
    labels = np.array([1, 1, 0, 0, 1])
    found = set_estimates(labels, ["positive", "negative", "positive;negative", "", "positive;negative"])
    assert found["conformal_coverage"].value == pytest.approx(3 / 5)
    assert found["conformal_single"].value == pytest.approx(2 / 5)
