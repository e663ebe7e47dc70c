"""Nothing that is later reported has a part in a bundle: test patients, and the fold that a model does not see."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from commands import accept

from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.config import read_config
from espark.workspace.opened import open_workspace
from espark.workspace.recipes import RECIPES
from espark.workspace.template import config_template

QUIET = Reporter("quiet")
MODELS = ("clinical", "mscalect", "cytopath", "espark")


@pytest.fixture(params=RECIPES)
def trained(study: Path, request: pytest.FixtureRequest) -> Path:
    """The finished study, trained by each recipe."""
    if request.param != "published":
        config = read_config(study / "study.toml")
        short = {name: {"epochs": 4} for name in ("mscalect", "cytopath", "espark")}
        text = config_template(
            config.study,
            config.clinical_columns,
            short | {"protocol": {"folds": config.protocol.folds}, "ct": {"image_types": config.ct.image_types}},
            request.param,
        )
        (study / "study.toml").write_text(text)
        train_anew(study)
    return study


def train_anew(study: Path) -> dict[str, bytes]:
    """Every file of every bundle, trained from nothing but what is prepared."""
    shutil.rmtree(study / "models")
    train(open_workspace(study), reporter=QUIET)
    return bundles(study)


def bundles(study: Path) -> dict[str, bytes]:
    files = (path for path in (study / "models").rglob("*") if path.is_file())
    return {str(path.relative_to(study)): path.read_bytes() for path in files}


def read_cohort(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)


def relabel(study: Path, patients: Sequence[str]) -> None:
    cohort = read_cohort(study)
    rows = cohort["patient_id"].isin(patients)
    cohort.loc[rows, "pcr"] = cohort.loc[rows, "pcr"].map({"0": "1", "1": "0"})
    cohort.to_csv(study / "cohort.csv", index=False)


def tell_the_label(study: Path, patients: Sequence[str]) -> None:
    """Write the label into every radiomic feature and every tile of these patients."""
    label = read_cohort(study).set_index("patient_id")["pcr"].astype(int)
    path = study / "prepared" / "radiomics.parquet"
    table = pd.read_parquet(path).set_index("patient_id")
    for patient in patients:
        table.loc[patient] = 1000.0 * label[patient]
        for slide in (study / "prepared" / "slides" / patient).glob("*.h5"):
            with h5py.File(slide, "r+") as file:
                for name in ("features", "similarity"):
                    file[name][:] = np.float32(label[patient])
    table.reset_index().to_parquet(path)
    accept(study)


def test_external_and_internal_test_patients_leave_no_trace_in_the_bundle(trained: Path) -> None:
    """Other labels, images that tell them, another order, or nobody at all: every byte of every bundle is the same.

    The folds are drawn anew each time.
    """
    before = bundles(trained)
    assert {name.split("/")[1] for name in before} == set(MODELS)
    cohort = read_cohort(trained)
    test = cohort.loc[cohort["role"] != "development", "patient_id"].tolist()
    relabel(trained, test)
    tell_the_label(trained, test)
    told = read_cohort(trained).sort_values("role", key=lambda roles: roles == "development", kind="stable")
    told.to_csv(trained / "cohort.csv", index=False)
    assert read_cohort(trained)["role"].iloc[0] != "development"
    (trained / "splits.csv").unlink()
    assert train_anew(trained) == before
    cohort[cohort["role"] == "development"].to_csv(trained / "cohort.csv", index=False)
    (trained / "splits.csv").unlink()
    assert train_anew(trained) == before


def test_a_fold_knows_nothing_of_the_patients_it_does_not_see(trained: Path) -> None:
    """Neither the label of one of them nor images that tell the labels of all of them move its weights."""
    splits = pd.read_csv(trained / "splits.csv").dropna(subset=["fold"])
    held_out = splits.loc[splits["fold"] == 0, "patient_id"].tolist()
    before = bundles(trained)
    relabel(trained, held_out[:1])
    tell_the_label(trained, held_out)
    after = train_anew(trained)
    for model in MODELS:
        name = f"models/{model}/fold-00.safetensors"
        assert after[name] == before[name]
    # The others do see them, so the change was one.
    assert after["models/espark/fold-01.safetensors"] != before["models/espark/fold-01.safetensors"]


def test_a_scale_that_only_test_patients_have_is_no_part_of_the_models(study: Path) -> None:
    """Nor does what a test patient's slides are called describe the tiles of a bundle."""
    path = study / "prepared" / "radiomics.parquet"
    table, cohort = pd.read_parquet(path), read_cohort(study)
    development = cohort.loc[cohort["role"] == "development", "patient_id"]
    esophagus = [name for name in table.columns if name.startswith("esophagus__")]
    table.loc[table["patient_id"].isin(development), esophagus] = np.nan
    table.to_parquet(path)
    first = cohort.index[cohort["role"] == "external"][0]
    cohort.loc[[first, *cohort.index.drop(first)]].to_csv(study / "cohort.csv", index=False)
    for slide in (study / "prepared" / "slides" / cohort.loc[first, "patient_id"]).glob("*.h5"):
        with h5py.File(slide, "r+") as file:
            file.attrs["mpp"] = 0.501
    accept(study)
    found = load_inputs(open_workspace(study))
    assert found.inputs.scales == ("tumor",)
    assert found.encoder is not None
    assert found.encoder.mpp == 0.5
