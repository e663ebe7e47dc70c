"""Who is recruited where, and what the charts say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espark.outcome import Outcome
from espark.simulate.people.biology import NAMES
from espark.simulate.people.centers import CENTERS, center_sizes, patient_name, role_of
from espark.simulate.people.clinical_columns import CLINICAL_COLUMNS
from espark.simulate.trial.simulated_patient import cohort_row, draw_truth
from espark.simulate.trial.trial import TrialSettings, trial_truth


def test_the_full_trial_has_the_documented_sizes() -> None:
    sizes = center_sizes(344, 3)
    assert sizes == [220, 76, 48]
    roles = pd.Series([role_of(0, index) for index in range(sizes[0])]).value_counts()
    assert roles["development"] == 176
    assert roles["internal_test"] == 44
    assert {role_of(center, 5) for center in (1, 2)} == {"external"}


@given(st.integers(1, 400), st.integers(1, 3))
def test_no_center_shrinks_as_the_trial_grows(patients: int, centers: int) -> None:
    smaller, larger = center_sizes(patients, centers), center_sizes(patients + 1, centers)
    assert sum(smaller) == patients
    assert all(a <= b for a, b in zip(smaller, larger, strict=True))


def test_a_small_trial_has_every_role() -> None:
    plans = TrialSettings(patients=48).plans()
    roles = pd.Series([role_of(plan.center_index, plan.patient_index) for plan in plans]).value_counts()
    assert roles.min() >= 6
    assert roles["development"] >= 20


def test_names_are_unique_and_tell_the_center() -> None:
    names = [plan.patient_id for plan in TrialSettings(patients=344).plans()]
    assert len(set(names)) == 344
    assert patient_name(1, 11) == "B-0012"


def test_more_patients_never_change_earlier_ones() -> None:
    small = trial_truth(TrialSettings(patients=30)).set_index("patient_id")
    large = trial_truth(TrialSettings(patients=100)).set_index("patient_id")
    pd.testing.assert_frame_equal(small, large.loc[small.index])


def test_seeds_differ() -> None:
    first, second = (trial_truth(TrialSettings(patients=12, seed=seed)) for seed in (0, 1))
    assert not np.isclose(first["logit_both"], second["logit_both"]).any()


@pytest.fixture(scope="module")
def charts() -> pd.DataFrame:
    plans = TrialSettings(patients=900, seed=5).plans()
    truths = [draw_truth(plan) for plan in plans]
    table = pd.DataFrame([cohort_row(plan, truth, Outcome()) for plan, truth in zip(plans, truths, strict=True)])
    latents = pd.DataFrame([truth.latents for truth in truths], columns=[f"z_{name}" for name in NAMES])
    nodes = pd.Series([truth.tumor.nodes for truth in truths], name="nodes")
    return pd.concat([table, latents, nodes], axis=1)


def test_every_declared_column_is_there(charts: pd.DataFrame) -> None:
    assert {column.name for column in CLINICAL_COLUMNS} <= set(charts.columns)
    for column in CLINICAL_COLUMNS:
        assert pd.api.types.is_numeric_dtype(charts[column.name]) == (column.kind == "number")


def test_charts_are_plausible(charts: pd.DataFrame) -> None:
    assert charts["pcr"].mean() == pytest.approx(0.30, abs=0.05)
    assert 55 < charts["age"].median() < 68
    assert 0.7 < (charts["sex"] == "male").mean() < 0.9
    assert set(charts["location"]) == {"upper", "middle", "lower"}
    assert (charts["location"] == "middle").mean() == pytest.approx(0.5, abs=0.06)
    assert set(charts["stage"]) == {"II", "III", "IVA"}
    assert 2 < charts["blood_nlr"].median() < 3.5
    assert 37 < charts["albumin"].median() < 44
    missing = charts[["smoking", "blood_nlr", "albumin"]].isna().mean()
    assert missing.between(0.01, 0.10).all()


def test_charts_follow_the_biology(charts: pd.DataFrame) -> None:
    depth = charts["clinical_t"].map({"T2": 2, "T3": 3, "T4a": 4})
    assert depth.corr(charts["z_wall_thickness"], method="spearman") > 0.6
    spread = charts["clinical_n"].str[1].astype(int)
    assert spread.corr(charts["nodes"], method="spearman") > 0.8
    assert 0.1 < charts["blood_nlr"].corr(charts["z_nlr"], method="spearman") < 0.5
    assert charts["albumin"].corr(charts["z_tumor_length"]) < -0.1


def test_stage_agrees_with_t_and_n(charts: pd.DataFrame) -> None:
    advanced = (charts["clinical_t"] == "T4a") | (charts["clinical_n"] == "N3")
    assert (advanced == (charts["stage"] == "IVA")).all()
    early = charts[(charts["clinical_t"] == "T3") & (charts["clinical_n"] == "N0")]
    assert set(early["stage"]) == {"II"}


def test_centers_differ_in_how_they_scan() -> None:
    protocols = [center.ct for center in CENTERS]
    for quantity in ("kernel", "slice_mm", "noise_hu", "blur_mm"):
        assert len({getattr(protocol, quantity) for protocol in protocols}) == 3
    assert all(sum(protocol.phases.values()) == pytest.approx(1) for protocol in protocols)
