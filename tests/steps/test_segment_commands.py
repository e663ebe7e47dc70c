"""``espark segment``: measured against a user's masks, and fitted to development patients alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.fit.labelled_scan import ESOPHAGUS, TUMOR
from espark.ct.segmentation.segmenter import FoundMasks
from espark.ct.segmentation.weights_file import load_network
from espark.errors import InputError
from espark.files import read_json
from espark.steps import segment, segment_run


class Shifted:
    """Finds the masks that were written, moved by one slice."""

    name = "shifted"
    finds_tumor = True

    def segment(self, ct: CtVolume) -> FoundMasks:
        del ct
        esophagus, tumor = (np.roll(mask, 1, axis=0) for mask in masks())
        return FoundMasks(esophagus, tumor)


def masks() -> tuple[np.ndarray, np.ndarray]:
    esophagus = np.zeros((48, 56, 76), bool)
    esophagus[4:43, 26:29, 37:40] = True
    tumor = np.zeros_like(esophagus)
    tumor[20:30, 26:29, 37:40] = True
    return esophagus, tumor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One CT of 5 mm voxels, a body with spine, lungs and windpipe, with both masks."""
    hu = np.full((48, 56, 76), -1000, np.int16)
    hu[:, 8:48, 8:68] = 20
    hu[:, 36:44, 34:43] = 500
    hu[:42, 16:38, 16:25] = hu[:42, 16:38, 51:57] = -850
    hu[22:, 19:23, 37:41] = -1000
    source = tmp_path / "cts"
    source.mkdir()
    for name, voxels in zip(("ct", "esophagus", "tumor"), (hu, *masks()), strict=True):
        image = sitk.GetImageFromArray(voxels.astype(np.int16 if name == "ct" else np.uint8))
        image.SetSpacing((5.0, 5.0, 5.0))
        sitk.WriteImage(image, str(source / f"P1_{name}.nii.gz"))
    return source


def test_agreement_with_given_masks(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "load_segmenter", lambda name, weights=None: Shifted())
    titles = []
    draw = segment.ct_planes_figure
    monkeypatch.setattr(segment, "ct_planes_figure", lambda *a, **k: titles.append(k["title"]) or draw(*a, **k))
    summary = segment.evaluate_segmenter(folder, tmp_path / "out")
    dice = summary[summary.metric == "dice"].set_index("region")["mean"]
    assert dice["esophagus"] == pytest.approx(38 / 39) and dice["tumor"] == pytest.approx(9 / 10)
    assert titles == ["P1: Dice of tumor 0.90, esophagus 0.97"] * 2
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} >= {"P1.png", "P1-near.png"}
    assert (tmp_path / "out" / "segmentation.csv").is_file() and (tmp_path / "out" / "summary.csv").is_file()


def test_fitting_to_own_masks_starts_from_the_shipped_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(real, simulated, settings, checkpoint, report, *, start, device):  # type: ignore[no-untyped-def]
        del report
        assert device == torch.device("cpu")
        assert len(real) == 1 and not simulated and settings.steps == 3
        assert all(len(real[0].places[region]) for region in (ESOPHAGUS, TUMOR))
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_bytes(b"state")
        return start

    monkeypatch.setattr(segment, "fit_segmenter", fit)
    weights = segment.train_segmenter(folder, tmp_path / "own", steps=3, device="cpu")
    assert load_network(tmp_path / "own").shape == load_network(segment.SHIPPED).shape
    assert weights.is_file() and not (tmp_path / "own" / "fit.pt").exists()
    assert '"P1"' in (tmp_path / "own" / "segmenter.json").read_text()


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no CT with a mask"):
        segment.masked_cts(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        segment.masked_cts(tmp_path / "nowhere")


def test_run_writes_masks_volumes_and_the_origin_of_each_region(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_run, "load_segmenter", lambda name, weights=None: Shifted())
    out = tmp_path / "found"
    found = segment_run.run_segmenter(folder / "P1_ct.nii.gz", out)
    stored = read_json(out / "regions.json")
    assert stored["regions"]["tumor"] == {"volume_ml": pytest.approx(10 * 9 * 0.125), "origin": "automatic"}
    assert [note["code"] for note in stored["notes"]] == [note.code for note in found.notes]
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "esophagus.nii.gz"))) > 0
    assert np.array_equal(mask, np.roll(masks()[0], 1, axis=0))
    assert (out / "levels.png").is_file() and "esophagus, automatic" in (out / "levels.svg").read_text()
