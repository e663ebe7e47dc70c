"""Segmenters behind one protocol: what is not installed says so, what is doubtful is not passed on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from espark.ct.grid import image_like
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import regions_from_masks
from espark.ct.segmentation.automatic import find_regions, with_proposed_tumor
from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.ct.segmentation.load import load_segmenter
from espark.ct.segmentation.nnunet import label_values
from espark.ct.segmentation.segmenter import FoundMasks, Segmenter
from espark.errors import RegionError, SegmenterError
from espark.notes import Note
from espark.types import Region


def chest(orientation: str = "LPS") -> CtVolume:
    """A body of 300 × 200 × 240 mm with spine, lungs and windpipe, 5 mm voxels."""
    hu = np.full((48, 56, 76), -1000, np.int16)
    hu[:, 8:48, 8:68] = 20
    hu[:, 36:44, 34:43] = 500
    hu[:42, 16:38, 16:25] = hu[:42, 16:38, 51:57] = -850
    hu[22:, 19:23, 37:41] = -1000
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((5.0, 5.0, 5.0))
    return CtVolume(sitk.DICOMOrient(image, orientation), "nifti")


def rod(
    ct: CtVolume, *, columns: slice = slice(37, 40), slices: slice = slice(4, 44), wide: slice | None = None
) -> np.ndarray:
    """A vertical rod in the body, wide in some slices, in the CT's storage order."""
    upright = sitk.DICOMOrient(ct.image, "LPS")
    mask = np.zeros(upright.GetSize()[::-1], np.uint8)
    mask[slices, 26:29, columns] = 1
    if wide is not None:
        mask[wide, 24:31, columns.start - 2 : columns.stop + 2] = 1
    back = sitk.DICOMOrient(
        image_like(mask, upright),
        sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(ct.image.GetDirection()),
    )
    return np.asarray(sitk.GetArrayFromImage(back) > 0)


class Stub:
    """A segmenter that finds what it is told to find."""

    name = "stub"

    def __init__(
        self, esophagus: np.ndarray | None, tumor: np.ndarray | None = None, *, finds_tumor: bool = True,
        doubts: Mapping[Region, tuple[str, ...]] | None = None,
    ):  # fmt: skip
        self.found = FoundMasks(esophagus, tumor, ("6 mm of the esophagus were bridged",), doubts or {})
        self.finds_tumor = finds_tumor

    def segment(self, ct: CtVolume) -> FoundMasks:
        del ct
        return self.found


def test_what_is_plausible_is_passed_on_and_declared_automatic() -> None:
    ct = chest()
    tumor = rod(ct, slices=slice(20, 28))
    stub: Segmenter = Stub(rod(ct), tumor)
    found = find_regions(ct, stub)
    assert isinstance(stub, Segmenter)
    assert found.regions.scales == ("tumor", "esophagus") and found.segmenter == "stub"
    assert np.array_equal(sitk.GetArrayFromImage(found.regions.labels), rod(ct) + tumor.astype(np.uint8))
    assert found.notes == (
        Note("N-REGION-001", "The regions are automatic (stub); no person has checked them."),
        Note("N-REGION-002", "6 mm of the esophagus were bridged."),
    )


def test_a_tumor_that_the_segmenter_doubts_is_left_out_with_its_reason() -> None:
    ct = chest()
    found = find_regions(ct, Stub(rod(ct), rod(ct, slices=slice(20, 28)), doubts={"tumor": ("it is faint",)}))
    assert found.regions.scales == ("esophagus",)
    assert "The automatic tumor is doubtful and was left out: it is faint." in [note.text for note in found.notes]


def test_an_esophagus_that_the_segmenter_doubts_takes_the_tumor_with_it() -> None:
    ct = chest()
    with pytest.raises(
        RegionError, match=r"esophagus is doubtful and was left out: it is a bridge\..*left out with the"
    ):
        find_regions(ct, Stub(rod(ct), rod(ct, slices=slice(20, 28)), doubts={"esophagus": ("it is a bridge",)}))


def test_a_doubtful_tumor_is_left_out_with_its_reason() -> None:
    ct = chest()
    found = find_regions(ct, Stub(rod(ct), rod(ct, columns=slice(60, 63), slices=slice(20, 28))))
    assert found.regions.scales == ("esophagus",)
    assert any("tumor is doubtful and was left out: it lies" in note.text for note in found.notes)


def test_a_doubtful_esophagus_takes_the_tumor_with_it() -> None:
    ct = chest()
    short = rod(ct, slices=slice(20, 24))
    with pytest.raises(RegionError, match=r"no reliable region.*length from head to feet 20 mm.*left out with the"):
        find_regions(ct, Stub(short, rod(ct, slices=slice(21, 23), wide=slice(21, 23))))
    with pytest.raises(RegionError, match="no reliable region"):
        find_regions(ct, Stub(None))


def test_a_region_at_the_border_of_the_ct_is_kept_and_noted() -> None:
    ct = chest()
    found = find_regions(ct, Stub(rod(ct, slices=slice(0, 48))))
    assert found.regions.scales == ("esophagus",)
    assert any("border of the CT" in note.text for note in found.notes)


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "SPL"])
def test_a_thick_wall_is_proposed_as_tumor_where_only_the_esophagus_is_known(orientation: str) -> None:
    ct = chest(orientation)
    found = find_regions(ct, Stub(rod(ct, wide=slice(20, 30)), finds_tumor=False))
    assert found.regions.scales == ("tumor", "esophagus")
    assert found.regions.volume_ml("tumor") == pytest.approx(10 * 49 * 0.125, rel=0.25)
    assert any("with a wall thicker than 5 mm" in note.text for note in found.notes)


def test_an_even_wall_proposes_no_tumor() -> None:
    ct = chest()
    found = find_regions(ct, Stub(rod(ct), finds_tumor=False))
    assert found.regions.scales == ("esophagus",)
    assert any("no tumor is proposed" in note.text for note in found.notes)


def test_a_user_who_gives_the_esophagus_alone_is_proposed_a_tumor() -> None:
    ct = chest("RAI")
    given = regions_from_masks(ct, esophagus=rod(ct, wide=slice(20, 30)))
    regions, notes = with_proposed_tumor(ct, given)
    assert regions.scales == ("tumor", "esophagus")
    assert regions.volume_ml("esophagus") == pytest.approx(given.volume_ml("esophagus"))
    assert regions.volume_ml("tumor") == pytest.approx(10 * 49 * 0.125, rel=0.25)
    assert "with a wall thicker than 5 mm" in notes[0].text and "No person has checked" in notes[1].text
    even, notes = with_proposed_tumor(ct, regions_from_masks(ct, esophagus=rod(ct)))
    assert even.scales == ("esophagus",) and "no tumor is proposed" in notes[0].text
    both = regions_from_masks(ct, esophagus=rod(ct, wide=slice(20, 30)), tumor=rod(ct, slices=slice(30, 36)))
    assert with_proposed_tumor(ct, both) == (both, ())
    alone = regions_from_masks(ct, tumor=rod(ct, slices=slice(30, 36)))
    assert with_proposed_tumor(ct, alone) == (alone, ())


def test_every_registered_segmenter_loads_or_says_why() -> None:
    for name, entry in SEGMENTERS.items():
        try:
            segmenter = load_segmenter(name)
        except SegmenterError as error:
            assert entry.package, str(error)
        else:
            assert segmenter is None or (segmenter.name == name and isinstance(segmenter, Segmenter))
    with pytest.raises(SegmenterError, match="Did you mean nnunet"):
        load_segmenter("nnunnet")
    with pytest.raises(SegmenterError, match="folder with the weights is missing"):
        load_segmenter("espark-mini-seg", weights=Path("nowhere"))


def test_an_extra_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("totalsegmentator", "nnunetv2"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SegmenterError, match=r"pip install 'espark\[totalsegmentator\]'"):
        load_segmenter("totalsegmentator")
    write_model(tmp_path, {"background": 0, "esophagus": 1})
    with pytest.raises(SegmenterError, match=r"pip install 'espark\[nnunet\]'"):
        load_segmenter("nnunet", weights=tmp_path)


def test_totalsegmentator_fetches_nothing_and_sends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ct = chest()
    truth = rod(ct)
    seen: dict[str, object] = {}

    def run(source: Path, target: Path, *, roi_subset: list[str], quiet: bool) -> None:
        seen["settings"] = json.loads((Path(os.environ["TOTALSEG_HOME_DIR"]) / "config.json").read_text())
        seen["weights"] = os.environ["TOTALSEG_WEIGHTS_PATH"]
        seen["subset"], seen["quiet"] = roi_subset, quiet
        image = sitk.ReadImage(str(source))
        target.mkdir()
        sitk.WriteImage(image_like(truth.astype(np.uint8), image), str(target / "esophagus.nii.gz"))

    fake = ModuleType("totalsegmentator.python_api")
    fake.totalsegmentator = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "totalsegmentator", ModuleType("totalsegmentator"))
    monkeypatch.setitem(sys.modules, "totalsegmentator.python_api", fake)
    monkeypatch.delenv("TOTALSEG_HOME_DIR", raising=False)
    with pytest.raises(SegmenterError, match=r"Dataset291.*does not download them"):
        load_segmenter("totalsegmentator", weights=tmp_path)
    for number in (291, 292, 293, 294, 295, 298):
        (tmp_path / f"Dataset{number}_part").mkdir()
    segmenter = load_segmenter("totalsegmentator", weights=tmp_path)
    assert segmenter is not None and not segmenter.finds_tumor
    found = segmenter.segment(ct)
    assert found.esophagus is not None and np.array_equal(found.esophagus, truth) and found.tumor is None
    assert seen["settings"]["send_usage_stats"] is False  # type: ignore[index]
    assert (seen["weights"], seen["subset"], seen["quiet"]) == (str(tmp_path), ["esophagus"], True)
    assert "TOTALSEG_HOME_DIR" not in os.environ


def write_model(folder: Path, labels: dict[str, object]) -> None:
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    (folder / "plans.json").write_text("{}")


def test_labels_of_an_nnunet_model_are_found_by_their_names(tmp_path: Path) -> None:
    write_model(tmp_path, {"background": 0, "Oesophagus": [1, 2], "GTV_p": 2})
    assert label_values(tmp_path) == {"esophagus": (1, 2), "tumor": (2,)}
    write_model(tmp_path, {"background": 0, "heart": 1})
    with pytest.raises(SegmenterError, match="none of the labels is esophagus or tumor: background, heart"):
        label_values(tmp_path)
    (tmp_path / "plans.json").unlink()
    with pytest.raises(SegmenterError, match=r"not a trained nnU-Net model: plans\.json missing"):
        label_values(tmp_path)


def test_an_nnunet_model_gives_both_regions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ct = chest()
    labels = rod(ct).astype(np.uint8)
    labels[rod(ct, slices=slice(20, 28))] = 2

    class Predictor:
        def __init__(self, **options: object):
            assert options["device"] is not None

        def initialize_from_trained_model_folder(self, folder: str, use_folds: object) -> None:
            assert Path(folder) == tmp_path and use_folds is None

        def predict_single_npy_array(self, voxels: np.ndarray, properties: object, *rest: object) -> np.ndarray:
            assert voxels.shape[1:] == labels.shape and properties == {"spacing": [5, 5, 5]}
            return labels

    class Reader:
        def read_images(self, paths: list[str]) -> tuple[np.ndarray, dict[str, list[int]]]:
            return sitk.GetArrayFromImage(sitk.ReadImage(paths[0]))[None], {"spacing": [5, 5, 5]}

    predict = SimpleNamespace(nnUNetPredictor=Predictor)
    monkeypatch.setitem(sys.modules, "nnunetv2", ModuleType("nnunetv2"))
    for name, content in (
        ("nnunetv2.inference", SimpleNamespace()), ("nnunetv2.inference.predict_from_raw_data", predict),
        ("nnunetv2.imageio", SimpleNamespace()),
        ("nnunetv2.imageio.simpleitk_reader_writer", SimpleNamespace(SimpleITKIO=Reader)),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, content)
    write_model(tmp_path, {"background": 0, "esophagus": 1, "tumor": 2})
    segmenter = load_segmenter("nnunet", weights=tmp_path)
    assert segmenter is not None
    found = segmenter.segment(ct)
    assert found.esophagus is not None and np.array_equal(found.esophagus, labels > 0)
    assert found.tumor is not None and np.array_equal(found.tumor, labels == 2)
