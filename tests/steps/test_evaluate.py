"""The tables and figures of the evaluation, against scikit-learn and statsmodels on the same predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from espark.bundle.folder import load_bundle
from espark.outcome import BOTH, NEGATIVE, POSITIVE
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.evaluate.evaluation_figures import decision_name
from espark.steps.evaluate.evaluation_tables import (
    METRIC_COLUMNS,
    POOLED,
    cohort_title,
    evaluated_cohorts,
    metric_rows,
    set_estimates,
)
from espark.steps.evaluate.validation import format_interval
from espark.steps.report.study_results import further_tables
from espark.steps.train.predictions import read_predictions
from espark.training.members.catalogue import MODELS
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")


def predictions(study: Path, model: str) -> pd.DataFrame:
    return pd.read_csv(study / "predictions" / f"{model}.csv")


def test_external_cohorts_are_also_pooled(finished: Path) -> None:
    metrics = pd.read_csv(finished / "evaluation" / "metrics.csv")
    for model in MODELS:
        rows = predictions(finished, model).query("role == 'external'")
        found = metrics.query("model == @model and cohort == @POOLED").set_index("metric")
        assert (found["n"] == len(rows)).all()
        expected = roc_auc_score(rows["pcr"], rows["probability"])
        assert found.loc["auc", "value"] == pytest.approx(expected, abs=1e-9)
        assert found.loc["accuracy", "value"] == pytest.approx((rows["pcr"] == rows["prediction"]).mean())
    assert cohort_title(POOLED) == "external, pooled"


def test_p_values_are_adjusted_over_the_pairs_of_a_cohort(finished: Path) -> None:
    table = pd.read_csv(finished / "evaluation" / "comparisons.csv")
    assert set(table["metric"]) == {"auc", "idi"}
    for _, family in table.groupby(["cohort", "metric"]):
        tested = family["p_value"].notna()
        if tested.any():
            expected = multipletests(family.loc[tested, "p_value"], method="holm")[1]
            np.testing.assert_allclose(family.loc[tested, "p_adjusted"], expected, atol=1e-12)
        assert family.loc[~tested, "p_adjusted"].isna().all()


def test_reclassification_counts_patients(finished: Path) -> None:
    table = pd.read_csv(finished / "evaluation" / "reclassification.csv")
    row = table.query("model_a == 'espark' and model_b == 'mscalect' and cohort == 'development'").iloc[0]
    new, old = (predictions(finished, model).query("role == 'development'") for model in ("espark", "mscalect"))
    both = new.merge(old, on="patient_id", suffixes=("", "_old"))
    event, right = both["pcr"] == 1, both["prediction"] == both["pcr"]
    right_before = both["prediction_old"] == both["pcr"]
    assert row["pcr_corrected"] == (event & right & ~right_before).sum()
    assert row["pcr_worsened"] == (event & ~right & right_before).sum()
    assert row["no_pcr_corrected"] == (~event & right & ~right_before).sum()
    assert row["no_pcr_worsened"] == (~event & ~right & right_before).sum()
    assert row["n_pcr"] + row["n_no_pcr"] == len(both)


def test_subgroups_split_a_cohort_without_loss(finished: Path) -> None:
    table = pd.read_csv(finished / "evaluation" / "subgroups.csv").query("model == 'espark' and cohort == @POOLED")
    workspace = open_workspace(finished)
    patients = [patient for patient in workspace.cohort.used if patient.role == "external"]
    for subgroup, part in table.groupby("subgroup"):
        known = len(patients)
        if subgroup != "center":
            known = sum(patient.clinical[str(subgroup)] is not None for patient in patients)
        assert part["n"].sum() == known
    assert {"center", "sex", "age", "stage"} <= set(table["subgroup"])
    assert set(table.query("subgroup == 'center'")["level"]) == {patient.center for patient in patients}
    ages = table.query("subgroup == 'age'")["level"]
    assert all(level.endswith("years") for level in ages)


def test_predictive_values_at_a_stated_prevalence(finished: Path) -> None:
    """At the cohort's own prevalence they are its PPV and NPV; a higher one raises PPV and lowers NPV."""
    table = {"espark": read_predictions(open_workspace(finished), "espark")}
    own = float((table["espark"].query("role == 'development'")["label"] == 1).mean())
    rows = metric_rows(table, ["development"], [own, 0.9])
    found = {row[4]: row[5] for row in rows}
    for name in ("ppv", "npv"):
        if np.isfinite(found[name]):
            assert found[f"{name}_at_{own:g}"] == pytest.approx(found[name])
    assert found["ppv_at_0.9"] >= found[f"ppv_at_{own:g}"]
    assert found["npv_at_0.9"] <= found[f"npv_at_{own:g}"]


def test_the_answers_are_held_against_their_coverage(finished: Path) -> None:
    metrics = pd.read_csv(finished / "evaluation" / "metrics.csv")
    for model in MODELS:
        rows = predictions(finished, model).query("role == 'external'")
        sets = rows["conformal_set"].fillna("").astype(str).str.split(";")
        names = rows["pcr"].map({1: "pcr", 0: "no_pcr"})
        held = np.mean([name in inside for name, inside in zip(names, sets, strict=True)])
        single = np.mean([len(set(inside) - {""}) == 1 for inside in sets])
        found = metrics.query("model == @model and cohort == @POOLED").set_index("metric")["value"]
        assert found["conformal_coverage"] == pytest.approx(held)
        assert found["conformal_single"] == pytest.approx(single)
        assert found["auc_bootstrap"] == pytest.approx(found["auc"])


def test_a_set_that_fits_neither_outcome_holds_none() -> None:
    found = set_estimates(np.array([1, 0, 1, 1]), [POSITIVE, BOTH, "", NEGATIVE])
    assert found["conformal_coverage"].value == 0.5
    assert found["conformal_single"].value == 0.5
    assert found["conformal_coverage"].n == 4 and found["conformal_coverage"].ci_low < 0.5


def test_the_report_has_a_table_of_everything_that_was_measured(finished: Path) -> None:
    workspace = open_workspace(finished)
    protocol = workspace.config.protocol.model_copy(update={"prevalences": (0.2, 0.35)})
    stated = replace(workspace, config=workspace.config.model_copy(update={"protocol": protocol}))
    answers = {model: read_predictions(workspace, model) for model in MODELS}
    cohorts = evaluated_cohorts(workspace)
    metrics = pd.DataFrame(metric_rows(answers, cohorts, protocol.prevalences), columns=METRIC_COLUMNS)
    card = load_bundle(finished / "models" / "espark").card
    tables = {table.title: table for table in further_tables(stated, card, metrics)}
    further, rarer, sure, missing = tables.values()
    assert len(further.rows) == len(MODELS) * len(cohorts)
    assert [row[1] for row in rarer.rows[:2]] == ["0.2", "0.35"] and len(rarer.rows) == 2 * len(cohorts)
    assert [row[0] for row in missing.rows] == ["CT and slides", "CT only", "slides only"]
    assert missing.rows[0][-1] == "–" and missing.rows[1][2] != "not available"
    found = metrics.query("model == 'espark' and cohort == 'development'").set_index("metric")
    slope = next(row[-1] for row in further.rows if row[0] == "eSPARK" and row[1].startswith("development"))
    assert slope.partition(" ")[0] == format_interval(found.loc["calibration_slope"]).partition(" ")[0]
    assert "–" not in slope or "−" not in slope
    assert sure.rows[0][2] == format_interval(found.loc["conformal_coverage"])
    page = (finished / "report" / "index.html").read_text(encoding="utf-8")
    for title in tables.keys() - {rarer.title}:
        assert f"<h3>{title}</h3>" in page
    assert rarer.title not in page  # no prevalence is stated in study.toml
    gain = pd.read_csv(finished / "evaluation" / "comparisons.csv").query("metric == 'idi'").iloc[0]
    shown = format_interval(gain.rename({"difference": "value"}), signed=True).partition(" ")[0]
    assert "Integrated discrimination" in page and shown in page
    comparisons = pd.read_csv(finished / "evaluation" / "comparisons.csv")["detectable"]
    assert (">none<" in page) == bool((comparisons > 1).any())


def test_every_figure_is_there_and_nothing_is_drawn_twice(study: Path) -> None:
    drawn = ["cohort", "clinical", "roc", "auc", "corrections", decision_name(POOLED)]
    drawn += [f"{kind}-{model}" for kind in ("roc", "distribution", "calibration") for model in MODELS]
    for name in drawn:
        assert all((study / "figures" / f"{name}.{suffix}").stat().st_size for suffix in ("svg", "png")), name
    before = json.loads((study / "manifest.json").read_text())["steps"]["evaluate"]
    evaluate(open_workspace(study), reporter=QUIET)
    assert json.loads((study / "manifest.json").read_text())["steps"]["evaluate"] == before
    lost = study / "figures" / "auc.svg"
    content = lost.read_bytes()
    lost.unlink()
    evaluate(open_workspace(study), reporter=QUIET)
    assert lost.read_bytes() == content


def test_a_center_may_be_called_anything() -> None:
    assert decision_name("St. Mary/Leeds") == "decision-St._Mary_Leeds"
