"""An estimator handed the arrays of a study gives the answers of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from espark import CytoPath, ESpark, MScaleCT
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.workspace.opened import open_workspace


@pytest.mark.parametrize("model", ["mscalect", "cytopath", "espark"])
def test_the_estimators_are_the_models_of_a_study(finished: Path, model: str) -> None:
    workspace = open_workspace(finished)
    inputs = load_inputs(workspace).inputs
    names = [
        f"{scale}__{name}" for scale, part in zip(inputs.scales, inputs.feature_names, strict=True) for name in part
    ]
    table = pd.DataFrame(inputs.radiomics, columns=names, index=list(inputs.patient_ids))
    bags = dict(zip(inputs.patient_ids, inputs.bags, strict=True))
    table.columns = pd.Index(names)

    def patients(ids: list[str]) -> Any:
        pairs = [(table.loc[name], bags[name]) for name in ids]
        return {"mscalect": table.loc[ids], "cytopath": [bag for _, bag in pairs], "espark": pairs}[model]

    development = [patient.patient_id for patient in workspace.cohort.development]
    labels = np.array([patient.label for patient in workspace.cohort.development])
    estimator = {"mscalect": MScaleCT, "cytopath": CytoPath, "espark": ESpark}[model](folds=3)
    estimator.fit(patients(development), labels, centers=[p.center for p in workspace.cohort.development])

    study = pd.read_csv(finished / "predictions" / f"{model}.csv").set_index("patient_id")
    np.testing.assert_array_equal(estimator.folds_, study.loc[development, "fold"])
    np.testing.assert_allclose(estimator.out_of_fold_, study.loc[development, "probability"], atol=1e-6)
    others = [name for name in study.index if name not in development]
    np.testing.assert_allclose(
        estimator.predict_proba(patients(others))[:, 1], study.loc[others, "probability"], atol=1e-6
    )
    np.testing.assert_array_equal(estimator.predict(patients(others)), study.loc[others, "prediction"])
