"""A study as frames, arrays and figures: what Python gets is what the files contain."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from matplotlib.figure import Figure

import espark.study
from espark import InputError, Study
from espark.errors import CohortError, MissingStepError
from espark.pathology.features import read_slide_features
from espark.pathology.slide import open_slide


def test_the_examples_of_the_docstrings_run(finished: Path) -> None:
    found = doctest.testmod(espark.study, extraglobs={"finished": finished})
    assert found.attempted > 20 and found.failed == 0


def test_frames_are_the_files(finished: Path) -> None:
    study = Study(finished)
    stored = pd.read_csv(finished / "predictions" / "espark.csv", dtype={"patient_id": str}).set_index("patient_id")
    assert study.predictions().index.tolist() == stored.index.tolist()
    np.testing.assert_array_equal(study.predictions()["probability"], stored["probability"])
    assert study.predictions()["conformal_set"].isin({"pcr", "no_pcr", "pcr;no_pcr", ""}).all()
    rows = pd.read_csv(finished / "cohort.csv", dtype={"patient_id": str}).set_index("patient_id")
    assert study.cohort["pcr"].tolist() == rows["pcr"].tolist()
    assert study.cohort["age"].tolist() == rows["age"].tolist()
    assert set(study.radiomics.index) == set(rows.index)


def test_images_keep_their_geometry(finished: Path) -> None:
    study = Study(finished)
    patient = study.cohort.index[0]
    ct, regions = study.ct(patient), study.regions(patient)
    assert ct.GetSpacing() == pytest.approx(regions.GetSpacing())
    assert ct.GetOrigin() == pytest.approx(regions.GetOrigin(), abs=1e-3)
    hu = sitk.GetArrayFromImage(ct)[sitk.GetArrayFromImage(regions) == 2]
    assert -200 < float(np.median(hu)) < 200  # tumor is soft tissue


def test_tiles_are_where_the_slide_shows_them(finished: Path) -> None:
    study = Study(finished)
    patient = study.cohort.index[0]
    tiles = study.tiles(patient)
    stored = read_slide_features(finished / "prepared" / "slides" / patient / "slide-1.h5")
    np.testing.assert_array_equal(tiles[["x", "y"]], stored.coords)
    np.testing.assert_array_equal(study.tile_features(patient), stored.features)
    assert (tiles["side_um"] == 128).all()  # 256 px of 0.5 µm
    last = tiles.iloc[[-1]]
    with open_slide(study.workspace.cohort[patient].files.slides[0]) as slide:
        expected = slide.read_tile(float(last["x"].iloc[0]), float(last["y"].iloc[0]), 256, 32)
    np.testing.assert_array_equal(study.tile_pictures(patient, last, tile_px=32)[0], expected)


def test_what_is_not_there_is_named_with_the_command(finished: Path, tmp_path: Path) -> None:
    study = Study(finished)
    with pytest.raises(InputError, match=r"Did you mean 'evaluation/metrics\.csv'"):
        study.table("evaluation/metrisc.csv")
    with pytest.raises(MissingStepError, match="espark ablate"):
        study.table("evaluation/ablation_aggregators.csv")
    with pytest.raises(CohortError, match="there is no patient"):
        study.ct("nobody")
    with pytest.raises(InputError, match="roc or distribution or calibration"):
        study.figure("rok")


def test_a_figure_is_an_object_that_can_be_changed(finished: Path) -> None:
    figure = Study(finished).figure("calibration", "mscalect")
    assert isinstance(figure, Figure)
    figure.axes[0].set_title("mine")
    assert figure.axes[0].get_title() == "mine"
