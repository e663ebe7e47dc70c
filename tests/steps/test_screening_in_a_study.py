"""Univariate screening of the radiomic features: development patients alone, every number that of the room below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.statistics.multiplicity import benjamini_hochberg
from espark.statistics.screening import univariate_logistic
from espark.steps.evaluate.screening import screen_features, screening_table
from espark.workspace.opened import open_workspace


def test_evaluate_screens_every_feature_of_both_scales(finished: Path) -> None:
    table = pd.read_csv(finished / "evaluation" / "screening.csv")
    radiomics = pd.read_parquet(finished / "prepared" / "radiomics.parquet").set_index("patient_id")
    assert [f"{row.scale}__{row.feature}" for row in table.itertuples()] == list(radiomics.columns)
    development = open_workspace(finished).cohort.development
    rows = radiomics.loc[[patient.patient_id for patient in development]]
    found = univariate_logistic([patient.label for patient in development], rows.to_numpy())
    np.testing.assert_allclose(table["p_value"], found.p_value, rtol=1e-9)
    for _, part in table.groupby("scale"):
        np.testing.assert_allclose(part["p_adjusted"], benjamini_hochberg(part["p_value"].to_numpy()), rtol=1e-9)
    assert (table["n"] <= len(development)).all()
    for name in ("screening", "screening-venn"):
        assert (finished / "figures" / f"{name}.svg").stat().st_size > 1000
    assert "CT features and the outcome" in (finished / "report" / "index.html").read_text(encoding="utf-8")


def test_other_patients_change_nothing(study: Path) -> None:
    before = screening_table(open_workspace(study))
    radiomics = pd.read_parquet(study / "prepared" / "radiomics.parquet")
    development = {patient.patient_id for patient in open_workspace(study).cohort.development}
    others = ~radiomics["patient_id"].isin(development)
    assert others.any()
    numbers = radiomics.columns.drop("patient_id")
    radiomics.loc[others, numbers] = 1e6
    radiomics.to_parquet(study / "prepared" / "radiomics.parquet")
    pd.testing.assert_frame_equal(screening_table(open_workspace(study)), before)


def test_without_ct_there_is_nothing_to_screen(study: Path) -> None:
    (study / "prepared" / "radiomics.parquet").unlink()
    assert screen_features(open_workspace(study)) == []


def test_a_planted_feature_leads(study: Path) -> None:
    workspace = open_workspace(study)
    labels = {patient.patient_id: patient.label for patient in workspace.cohort.development}
    radiomics = pd.read_parquet(study / "prepared" / "radiomics.parquet")
    name = "tumor__original_firstorder_Mean"
    radiomics[name] = [float(labels.get(patient_id) or 0) for patient_id in radiomics["patient_id"]]
    radiomics.to_parquet(study / "prepared" / "radiomics.parquet")
    table = screening_table(workspace).set_index(["scale", "feature"])
    row = table.loc["tumor", "original_firstorder_Mean"]
    assert row["separated"] and row["odds_ratio"] == np.inf
    assert row["p_value"] == pytest.approx(table["p_value"].min())
