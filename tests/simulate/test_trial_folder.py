"""The folder that `simulate_trial` writes: complete, resumable, repeatable, marked as simulated."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from espark.cli import app
from espark.errors import InputError
from espark.files import fingerprint
from espark.simulate.people.biology import BASE_RATE
from espark.simulate.trial import trial as trial_module
from espark.simulate.trial.trial import TrialSettings, redraw_labels, simulate_trial, trial_truth
from espark.statistics.auc import expected_auc

SMALL = TrialSettings(patients=3, seed=3, tiles=4, ct_matrix=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("trial")
    simulate_trial(target, SMALL)
    return target


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): fingerprint(path) for path in folder.rglob("*") if path.is_file()}


def test_every_path_of_the_cohort_exists(folder: Path) -> None:
    cohort = pd.read_csv(folder / "cohort.csv")
    assert len(cohort) == 3
    assert list(cohort.columns[:6]) == ["patient_id", "center", "role", "pcr", "ct", "slides"]
    for column in ("ct", "slides", "esophagus_mask", "tumor_mask"):
        assert all((folder / path).exists() for path in cohort[column])
    for name in cohort["patient_id"]:
        assert (folder / "truth" / "masks" / f"{name}.nii.gz").is_file()
        assert (folder / "truth" / "tiles" / f"{name}.parquet").is_file()


def test_everything_says_that_it_is_simulated(folder: Path) -> None:
    assert "no patients behind" in (folder / "SIMULATED.txt").read_text()
    header = pydicom.dcmread(next((folder / "ct" / "B-0001").iterdir()), stop_before_pixels=True)
    assert header.PatientName == header.PatientID == "B-0001"
    for value in (header.ManufacturerModelName, header.SeriesDescription, header.ImageComments):
        assert "ESPARK SIMULATED" in value


def test_readers_open_every_file_without_a_warning(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for row in pd.read_csv(folder / "cohort.csv").itertuples():
            files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / row.ct))
            volume = sitk.ReadImage(files)
            mask = sitk.ReadImage(str(folder / row.tumor_mask))
            assert volume.GetSize() == mask.GetSize()
            assert np.allclose(volume.GetSpacing(), mask.GetSpacing(), atol=1e-4)
            assert np.allclose(volume.GetOrigin(), mask.GetOrigin(), atol=1e-3)
            for file in files[::20]:
                assert pydicom.dcmread(file).pixel_array.shape == (64, 64)
            with openslide.OpenSlide(folder / row.slides) as slide:
                assert float(slide.properties[openslide.PROPERTY_NAME_MPP_X]) == pytest.approx(0.5)


def test_truth_agrees_with_itself(folder: Path) -> None:
    truth = pd.read_csv(folder / "truth" / "patients.csv")
    cohort = pd.read_csv(folder / "cohort.csv")
    assert truth["pcr"].tolist() == cohort["pcr"].tolist()
    assert np.allclose(truth["p_pcr"], 1 / (1 + np.exp(-truth["logit_both"])))
    assert np.allclose(truth["nlr"], truth["neutrophils_per_mm2"] / truth["lymphocytes_per_mm2"])
    assert "| nlr | slide |" in (folder / "truth" / "README.md").read_text()


def test_given_masks_are_near_the_truth(folder: Path) -> None:
    for row in pd.read_csv(folder / "cohort.csv").itertuples():
        exact = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "truth" / "masks" / f"{row.patient_id}.nii.gz")))
        esophagus = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / row.esophagus_mask)))
        assert set(np.unique(exact)) == {0, 1, 2}
        overlap = 2 * ((exact > 0) & (esophagus > 0)).sum() / ((exact > 0).sum() + esophagus.sum())
        assert overlap > 0.8


def test_same_seed_same_bytes_after_an_interruption(folder: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        simulate_trial(tmp_path, SMALL, kill)
    assert not (tmp_path / "cohort.csv").exists()
    # The patient that was being written when the run was killed is half there.
    (tmp_path / "slides" / "A-0002.tif").write_bytes(b"half a slide")
    (tmp_path / "truth" / "done" / "A-0002.json").unlink()
    calls: list[tuple[int, int]] = []
    simulate_trial(tmp_path, SMALL, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert _contents(tmp_path) == _contents(folder)


def test_a_larger_trial_only_adds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(trial_module, "simulate_patient", lambda _, plan: written.append(plan.patient_id))
    monkeypatch.setattr(trial_module, "write_overview", lambda *_: None)
    monkeypatch.setattr(trial_module, "write_csv", lambda *_: None)
    monkeypatch.setattr(trial_module, "write_text", lambda *_: None)
    monkeypatch.setattr(trial_module, "write_json", lambda *_: None)
    larger = TrialSettings(patients=8, seed=3, tiles=4, ct_matrix=64)
    simulate_trial(folder, larger)
    assert len(written) == 5
    assert not {f"{center}-0001" for center in "AB"} & set(written)


def test_another_setting_draws_patients_anew(folder: Path) -> None:
    for plan in TrialSettings(patients=3, seed=4, tiles=4, ct_matrix=64).plans():
        assert not trial_module.is_done(folder, plan)


def test_redrawn_labels_follow_the_true_probabilities(folder: Path) -> None:
    labels = redraw_labels(folder, 400)
    truth = pd.read_csv(folder / "truth" / "patients.csv")
    assert labels["patient_id"].tolist() == truth["patient_id"].tolist()
    assert labels.shape == (3, 401)
    drawn = labels.drop(columns="patient_id").mean(axis=1)
    assert np.abs(drawn - truth["p_pcr"]).max() < 0.09
    pd.testing.assert_frame_equal(redraw_labels(folder, 3), labels.iloc[:, :4])


def test_redrawn_null_labels_ignore_the_truth(folder: Path) -> None:
    drawn = redraw_labels(folder, 2000, null=True).drop(columns="patient_id").mean(axis=1)
    assert np.abs(drawn - BASE_RATE).max() < 0.05


def test_redraw_on_the_command_line_leaves_the_study_alone(folder: Path) -> None:
    before = _contents(folder)
    for options, name in ([], "labels.csv"), (["--null"], "null_labels.csv"):
        result = CliRunner().invoke(app, ["simulate", str(folder), "--redraw", "5", *options])
        assert result.exit_code == 0, result.output
        path = folder / "truth" / name
        assert result.output.strip() == str(path)
        assert list(pd.read_csv(path)) == ["patient_id", *(f"pcr_{number}" for number in range(1, 6))]
        path.unlink()
    assert _contents(folder) == before


def test_redraw_needs_a_simulated_trial(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="espark simulate"):
        redraw_labels(tmp_path, 2)


def test_null_labels_depend_on_nothing() -> None:
    table = trial_truth(TrialSettings(patients=2000, seed=8, null=True))
    assert set(table["p_pcr"]) == {BASE_RATE}
    assert table["pcr"].mean() == pytest.approx(BASE_RATE, abs=0.03)
    for seen in ("slide", "ct", "both"):
        assert expected_auc(table["p_pcr"].to_numpy(), table[f"logit_{seen}"].to_numpy()) == pytest.approx(0.5)
        drawn = expected_auc(table["pcr"].to_numpy().astype(float), table[f"logit_{seen}"].to_numpy())
        assert drawn == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("name", "value"),
    [("centers", 4), ("patients", 0), ("seed", -1), ("effect", -0.5), ("ct_matrix", 10), ("workers", 0)],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        TrialSettings(**{name: value})


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    with pytest.raises(InputError, match="occupied"):
        simulate_trial(tmp_path / "occupied", SMALL)


def test_the_overview_shows_images_and_truth_and_says_that_they_are_simulated(folder: Path) -> None:
    page = (folder / "truth" / "overview.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "Simulated patients" in page
    assert "No image comes from a patient" in page
    assert "Effects are scaled by 1.\n" in page
    assert "http" not in page.replace("http-equiv", "")
