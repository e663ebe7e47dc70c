"""Cell types, biomarkers and their ablation on the tiny simulated study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.bundle.folder import load_bundle
from espark.cells import BIOMARKERS, CELL_GROUPS, CELL_TYPES
from espark.explain.biomarkers import fit_cutoff
from espark.statistics.meta import random_effects
from espark.steps.ablate.cell_ablation import retrain_without_types
from espark.steps.explain import biomarker_tests
from espark.steps.explain.biomarker_cutoffs import cutoff_rows
from espark.steps.explain.explain import explain, patient_folds
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.report.report import report
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

CELL_TYPE_KEYS = tuple(entry.key for entry in CELL_TYPES)

QUIET = Reporter("quiet")


def table(study: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(study / "explain" / f"{name}.csv")


def test_columns_are_those_of_the_design(finished: Path) -> None:
    columns = {
        "ablation": "center cell_type mode auc auc_change ci_low ci_high",
        "ablation_tiles": "center cell_type n n_pcr tiles_left_out patients_without_slide",
        "meta": "quantity centers n effect ci_low ci_high p_value tau2 i2 p_heterogeneity method",
        "biomarker_cutoffs": "biomarker cohort cutoff favorable metric n value ci_low ci_high method",
    }
    for name, expected in columns.items():
        assert list(table(finished, name).columns) == expected.split(), name
    for name in ("cell-types", "cell-types-forest-major", "biomarkers", "biomarkers-cutoff", "cell-ablation"):
        assert (finished / "figures" / f"{name}.svg").stat().st_size > 1000


def test_without_ablation_the_auc_is_that_of_the_study(finished: Path) -> None:
    found = table(finished, "ablation")
    whole = found[(found["cell_type"] == "none") & (found["mode"] == "predict")].set_index("center")["auc"]
    metrics = pd.read_csv(finished / "evaluation" / "metrics.csv")
    reported = metrics[(metrics["model"] == "espark") & (metrics["metric"] == "auc")].set_index("cohort")
    external = reported.index.intersection(whole.index)
    compared = [name for name in external if np.isfinite(reported.loc[name, "value"])]
    np.testing.assert_allclose(whole[compared], reported.loc[compared, "value"], rtol=1e-9)
    # The center where models were developed: its development patients are compared with each other alone.
    cohort = pd.read_csv(finished / "cohort.csv")
    if cohort.loc[cohort["role"] == "internal_test", "pcr"].nunique() < 2:
        center = cohort.loc[cohort["role"] == "development", "center"].iloc[0]
        assert whole[center] == pytest.approx(reported.loc["development", "value"])
    rows = found[(found["cell_type"] != "none") & (found["center"] == "all")]
    assert rows["cell_type"].tolist() == list(CELL_TYPE_KEYS)
    change = rows["auc"] - whole["all"]
    np.testing.assert_allclose(rows["auc_change"], change, atol=1e-9)


def test_contributions_are_weighted_by_the_attention_of_models_that_did_not_see_the_patient(finished: Path) -> None:
    workspace, bundle = open_workspace(finished), load_bundle(finished / "models" / "espark")
    inputs, folds = load_inputs(workspace).inputs, patient_folds(workspace)
    bags = dict(zip(inputs.patient_ids, inputs.bags, strict=True))
    told = table(finished, "cell_types").pivot(index="patient_id", columns="cell_type", values="contribution")
    tiles = np.concatenate([bags[patient.patient_id].similarity for patient in workspace.cohort.development])
    mean, sd = tiles.astype(np.float64).mean(axis=0), tiles.astype(np.float64).std(axis=0)
    expected, unweighted = pd.DataFrame(0.0, told.index, told.columns), pd.DataFrame(0.0, told.index, told.columns)
    for patient_id in told.index:
        bag = bags[patient_id]
        asked = bundle.asked(folds.get(patient_id))
        attention = np.mean([member.attention(bag) for member in asked], axis=0)
        odds = np.exp((bag.similarity - mean) / sd)
        for keys in CELL_GROUPS.values():
            group = odds[:, [CELL_TYPE_KEYS.index(key) for key in keys]]
            shares = group / group.sum(axis=1, keepdims=True)
            expected.loc[patient_id, list(keys)] = attention @ shares
            unweighted.loc[patient_id, list(keys)] = shares.mean(axis=0)
    np.testing.assert_allclose(told, expected, atol=1e-5)
    assert np.abs(told - unweighted).max().max() > 1e-3
    reliable = set(told.index)  # the reference holds nobody whose cells are not reliable
    development = [patient.patient_id for patient in workspace.cohort.development if patient.patient_id in reliable]
    assert len(development) > 2
    for key, values in bundle.card.reference.contribution.items():
        np.testing.assert_allclose(values, sorted(expected.loc[development, key]), atol=1e-5)


def test_the_cutoff_knows_development_patients_only(finished: Path) -> None:
    before = table(finished, "biomarker_cutoffs")
    cohort = pd.read_csv(finished / "cohort.csv", dtype=str, keep_default_na=False)
    roles = cohort.set_index("patient_id")["role"]
    scores = table(finished, "biomarkers")
    inside = (scores["patient_id"].map(roles) == "development") & scores["pcr"].notna()
    reference = load_bundle(finished / "models" / "espark").card.reference
    for key, entry in BIOMARKERS.items():
        labels = scores.loc[inside, "pcr"].to_numpy(np.int64)
        cutoff = fit_cutoff(scores.loc[inside, key].to_numpy(float), labels, entry.favorable)
        assert before.loc[before["biomarker"] == key, "cutoff"].unique() == pytest.approx([cutoff])
        values, labels = np.array(reference.biomarkers[key]), np.array(reference.biomarker_labels[key])
        assert fit_cutoff(values, labels, entry.favorable) == pytest.approx(cutoff)
    turned = scores.assign(label=np.where(inside, scores["pcr"], 1 - scores["pcr"]))
    workspace = open_workspace(finished)
    after = workspace.outcome.named(cutoff_rows(workspace, turned, patient_folds(workspace)))
    development = before["cohort"] == "development"
    same = after[after["cohort"] == "development"]
    pd.testing.assert_frame_equal(before[development], same, check_dtype=False)
    assert set(after["cutoff"]) == set(before["cutoff"])
    assert not after.equals(before)


def test_pages_say_what_the_sides_have_meant(study: Path) -> None:
    workspace = open_workspace(study)
    patient_id = workspace.cohort.used[0].patient_id
    report(workspace, patient_id=patient_id, show_withheld=True, reporter=QUIET)
    page = workspace.layout.patient_report(patient_id).read_text(encoding="utf-8")
    assert "It is not the blood NLR" in page and "This patient lies on the" in page and "Odds ratio" in page
    index = workspace.layout.report.read_text(encoding="utf-8")
    assert "What the model loses without a cell type" in index and "Biomarkers at their cut-offs" in index


def test_tests_are_adjusted_and_stratified() -> None:
    """A quantity that only tells centers apart is nothing; one that tells outcomes apart in each center is found."""
    generator = np.random.default_rng(0)
    center = np.repeat(["A", "B"], [60, 40])
    labels = np.where(center == "A", generator.random(100) < 0.7, generator.random(100) < 0.2).astype(int)
    who = pd.DataFrame({"center": center, "label": labels})
    between, within = 5.0 * (center == "A") + generator.normal(size=100), labels + 0.5 * generator.normal(size=100)
    cells = pd.concat(
        [who.assign(cell_type="between", contribution=between), who.assign(cell_type="within", contribution=within)]
    )
    scores = who.assign(nlr=generator.normal(size=100), differentiation=generator.normal(size=100))
    tests = biomarker_tests.test_rows(cells, scores).set_index(["center", "quantity"])
    assert tests.loc[("all", "within"), "p_adjusted"] < 1e-6
    assert tests.loc[("all", "between"), "p_value"] > 0.05
    assert (tests["p_adjusted"] >= tests["p_value"] - 1e-15).all()
    meta = biomarker_tests.meta_rows(tests.reset_index()).set_index("quantity")
    assert meta.loc["within", "centers"] == 2 and meta.loc["within", "effect"] > 0.5
    assert meta.loc["within", "ci_low"] >= -1 and meta.loc["within", "ci_high"] <= 1
    assert random_effects([1.0, 1.0], [0.1, 0.1]).i2 == 0


@pytest.mark.slow
def test_retraining_without_a_type_resumes_and_shares_the_table(study: Path) -> None:
    predicted = table(study, "ablation")
    workspace = open_workspace(study)
    found = retrain_without_types(workspace, reporter=QUIET)
    both = table(study, "ablation")
    assert both["mode"].value_counts().to_dict() == {"predict": len(predicted), "retrain": len(found)}
    pd.testing.assert_frame_equal(both[both["mode"] == "predict"].reset_index(drop=True), predicted)
    folds = sorted((study / "evaluation" / "ablation").rglob("*.safetensors"))
    assert len(folds) == 3 * len(CELL_TYPE_KEYS)
    before = {path: path.stat().st_mtime_ns for path in folds}
    folds[0].unlink()
    retrain_without_types(open_workspace(study), reporter=QUIET)
    assert [path for path in folds if path.stat().st_mtime_ns != before[path]] == [folds[0]]
    pd.testing.assert_frame_equal(table(study, "ablation"), both)
    explain(open_workspace(study), reporter=QUIET)
    pd.testing.assert_frame_equal(table(study, "ablation"), both)
    # Once the study is another, what was trained for the old one goes.
    config = study / "study.toml"
    config.write_text(config.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    explain(open_workspace(study), reporter=QUIET)
    assert set(table(study, "ablation")["mode"]) == {"predict"}
