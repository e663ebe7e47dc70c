"""The same model gives the same answers, byte for byte, from a study, from an arm of an ablation and as an estimator.

The patients have CT and slides, CT alone or slides alone, and each of the three is calibrated by itself.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from espark import CytoPath, ESpark, MScaleCT
from espark.bundle.folder import load_bundle
from espark.steps.ablate.arms import Arm, train_arms
from espark.steps.prepare.prepare import prepare
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.train import model_settings, train
from espark.training.members.build import train_member
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace

QUIET = Reporter("quiet")
QUICK = {"epochs": 4, "learning_rate": 1e-2}
CT, SLIDES = {**QUICK, "width": 8}, {**QUICK, "hidden": 8, "attention": 4, "batch_size": 8}
FUSION = {**QUICK, "batch_size": 8}
FEATURES = [f"original_glcm_{name}" for name in ("Idm", "Contrast", "Correlation")]
DEVELOPMENT, OTHERS = 54, 18


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A trained study of features that were made elsewhere; a third has CT alone, a third slides alone."""
    folder = tmp_path_factory.mktemp("mixed")
    rng = np.random.default_rng(0)
    count = DEVELOPMENT + OTHERS
    ids = [f"P{index:02d}" for index in range(count)]
    labels, have = rng.integers(0, 2, count), np.arange(count) % 3
    roles = ["development"] * DEVELOPMENT + ["external"] * OTHERS
    centers = ["A" if role == "development" else "B" for role in roles]
    cohort = pd.DataFrame({"patient_id": ids, "center": centers, "role": roles, "pcr": labels, "slide_mpp": 0.5})
    cohort.to_csv(folder / "cohort.csv", index=False)
    table = pd.DataFrame(rng.normal(size=(count, 3)) + labels[:, None], columns=FEATURES).assign(patient_id=ids)
    table[have != 1].to_csv(folder / "features.csv", index=False)
    (folder / "tiles").mkdir()
    for index in np.flatnonzero(have != 2):
        with h5py.File(folder / "tiles" / f"{ids[index]}.h5", "w") as file:
            tiles = rng.normal(size=(6, 5)) + 0.7 * labels[index]
            file["features"], file["coords"] = tiles.astype(np.float32), np.arange(12).reshape(6, 2)
    sections = {"protocol": {"folds": 3}, "mscalect": CT, "cytopath": SLIDES, "espark": FUSION}
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in part.items()) for name, part in sections.items()
    )
    foreign = '[[ct_features]]\nfile = "features.csv"\npatient_column = "patient_id"\nscale = "tumor"\n'
    (folder / "study.toml").write_text(text + foreign + '[[slide_features]]\nfolder = "tiles"\nencoder = "uni"\n')
    workspace = open_workspace(folder)
    prepare(workspace, reporter=QUIET)
    train(workspace, reporter=QUIET)
    return workspace


def predictions(workspace: Workspace, model: str) -> pd.DataFrame:
    # As text first: older versions of pandas read the last bit of a number otherwise than it was written.
    table = pd.read_csv(workspace.layout.predictions(model), dtype={"probability": str}).set_index("patient_id")
    return table.assign(probability=table["probability"].map(float))


def test_the_modalities_are_calibrated_apart(mixed: Workspace) -> None:
    table = predictions(mixed, "espark")
    assert table.groupby(["role", "modality"]).size().tolist() == [DEVELOPMENT // 3] * 3 + [OTHERS // 3] * 3
    points = load_bundle(mixed.layout.model("espark")).card.operating_points
    assert len({str(point["calibrator"]) for point in points.values()}) == 3


@pytest.mark.parametrize("model", ["mscalect", "cytopath", "espark"])
def test_an_arm_that_is_a_model_of_the_study_gives_its_predictions(mixed: Workspace, model: str) -> None:
    study = load_inputs(mixed)
    settings = model_settings(mixed, study.encoder)
    arm = Arm(f"as-{model}", model, partial(train_member, model), settings, [model], study.inputs)
    for _ in range(2):  # trained, then read back
        (answers,) = train_arms(mixed, [arm], workers=1, reporter=QUIET)
        known = np.isfinite(answers)
        expected = predictions(mixed, model)["probability"]
        assert [name for name, there in zip(study.inputs.patient_ids, known, strict=True) if there] == list(
            expected.index
        )
        assert answers[known].tobytes() == expected.to_numpy().tobytes()


@pytest.mark.parametrize("model", ["mscalect", "cytopath", "espark"])
def test_an_estimator_with_the_same_parameters_gives_its_predictions(mixed: Workspace, model: str) -> None:
    inputs = load_inputs(mixed).inputs
    rows = [row if there else None for row, there in zip(inputs.radiomics, inputs.has_ct, strict=True)]
    X: Any = {
        "mscalect": inputs.radiomics,
        "cytopath": inputs.bags,
        "espark": list(zip(rows, inputs.bags, strict=True)),
    }[model]
    ct, slides = MScaleCT(**CT, folds=3), CytoPath(**SLIDES, folds=3)
    estimator = {"mscalect": ct, "cytopath": slides, "espark": ESpark(mscalect=ct, cytopath=slides, **FUSION, folds=3)}
    fitted = estimator[model].fit(X[:DEVELOPMENT], [patient.label for patient in mixed.cohort.development])
    expected = predictions(mixed, model)["probability"].reindex(list(inputs.patient_ids)).to_numpy()
    assert fitted.out_of_fold_.tobytes() == expected[:DEVELOPMENT].tobytes()
    # Not `predict_proba`, which refuses a patient without anything that this model looks at.
    answers = fitted.ensemble_.predict(fitted._read(X[DEVELOPMENT:]))
    found = np.array([np.nan if answer is None else answer.probability for answer in answers])
    assert found.tobytes() == expected[DEVELOPMENT:].tobytes()
