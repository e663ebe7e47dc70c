"""Masks on the CT's grid, or an error that gives both grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import FRAME, chest, volume, write_rtstruct
from espark.ct.files.volume import CtVolume
from espark.ct.grid import image_like
from espark.ct.regions.regions import Regions, load_regions, read_regions, regions_from_masks, write_regions
from espark.errors import RegionError

ESOPHAGUS = np.zeros((12, 36, 40), dtype=bool)
ESOPHAGUS[1:11, 16:22, 18:24] = True
TUMOR = np.zeros_like(ESOPHAGUS)
TUMOR[4:7, 15:21, 17:25] = True


@pytest.fixture
def ct() -> CtVolume:
    return volume(chest())


def save(path: Path, mask: np.ndarray, like: sitk.Image) -> Path:
    sitk.WriteImage(image_like(mask.astype(np.uint8), like), str(path))
    return path


def voxels(regions: Regions) -> np.ndarray:
    return sitk.GetArrayFromImage(regions.labels)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_both_scales_from_mask_files(tmp_path: Path, ct: CtVolume, suffix: str) -> None:
    regions = read_regions(
        ct,
        esophagus_mask=save(tmp_path / f"e{suffix}", ESOPHAGUS, ct.image),
        tumor_mask=save(tmp_path / f"t{suffix}", TUMOR, ct.image),
    )
    assert regions.scales == ("tumor", "esophagus")
    assert np.array_equal(voxels(regions), np.where(TUMOR, 2, ESOPHAGUS))
    assert np.array_equal(sitk.GetArrayFromImage(regions.mask("esophagus")), TUMOR | ESOPHAGUS)
    assert regions.volume_ml("tumor") == pytest.approx(TUMOR.sum() * 1.5 * 1.5 * 3 / 1000)
    assert regions.labels.GetOrigin() == ct.image.GetOrigin(), "the CT's own geometry, not the file's rounding"


def test_one_scale(tmp_path: Path, ct: CtVolume) -> None:
    regions = read_regions(ct, tumor_mask=save(tmp_path / "t.nrrd", TUMOR * 255, ct.image))
    assert regions.scales == ("tumor",)
    with pytest.raises(RegionError, match="esophagus is not known"):
        regions.mask("esophagus")
    only = read_regions(ct, esophagus_mask=save(tmp_path / "e.nrrd", ESOPHAGUS, ct.image))
    assert only.scales == ("esophagus",)


def test_axes_stored_in_another_order_are_the_same_grid(tmp_path: Path, ct: CtVolume) -> None:
    image = image_like(TUMOR.astype(np.uint8), ct.image)
    for number, code in enumerate(("RAS", "LAI", "PIL", "SRA", "ASL")):
        path = tmp_path / f"{number}.nii.gz"
        sitk.WriteImage(sitk.DICOMOrient(image, code), str(path))
        assert np.array_equal(voxels(read_regions(ct, tumor_mask=path)), TUMOR * 2)


def test_rounding_is_tolerated_and_half_a_voxel_is_not(tmp_path: Path, ct: CtVolume) -> None:
    mask = image_like(TUMOR.astype(np.uint8), ct.image)
    mask.SetSpacing((1.50001, 1.5, 3.0001))
    sitk.WriteImage(mask, str(tmp_path / "t.nrrd"))
    assert np.array_equal(voxels(read_regions(ct, tumor_mask=tmp_path / "t.nrrd")), TUMOR * 2)
    mask.SetOrigin((-29.25, -27, -18))
    sitk.WriteImage(mask, str(tmp_path / "t.nrrd"))
    with pytest.raises(RegionError, match="different grid"):
        read_regions(ct, tumor_mask=tmp_path / "t.nrrd")


def _other_grids(image: sitk.Image) -> dict[str, sitk.Image]:
    moved, turned, scaled = (sitk.Image(image) for _ in range(3))
    moved.SetOrigin((0, 0, 0))
    turned.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    scaled.SetSpacing((1, 1, 1))
    return {"moved": moved, "turned": turned, "scaled": scaled, "cut": image[:, :, 1:]}


@pytest.mark.parametrize("kind", ["moved", "turned", "scaled", "cut"])
def test_another_grid_is_refused_with_both_grids(tmp_path: Path, ct: CtVolume, kind: str) -> None:
    other = _other_grids(image_like(TUMOR.astype(np.uint8), ct.image))[kind]
    sitk.WriteImage(other, str(tmp_path / "t.nii.gz"))
    with pytest.raises(RegionError) as caught:
        read_regions(ct, tumor_mask=tmp_path / "t.nii.gz")
    text = str(caught.value)
    assert "t.nii.gz: the mask has a different grid from the CT:" in text
    assert text.count("voxels of") == 2
    assert "40 × 36 × 12 voxels of 1.500 × 1.500 × 3.000 mm, first voxel at (-30.0, -27.0, -18.0) mm, axes LPS" in text
    assert "resample the mask onto the CT" in text


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros_like(TUMOR), "the tumor mask is empty"),
        (TUMOR * 1 + ESOPHAGUS * 2, r"several labels \(1, 2, 3\)"),
        (np.where(TUMOR, np.linspace(0.1, 0.9, 40), 0), r"several fractions \(0\."),
    ],
)
def test_masks_that_cannot_be_used(tmp_path: Path, ct: CtVolume, mask: np.ndarray, message: str) -> None:
    sitk.WriteImage(image_like(mask.astype(np.float32), ct.image), str(tmp_path / "t.nrrd"))
    with pytest.raises(RegionError, match=message):
        read_regions(ct, tumor_mask=tmp_path / "t.nrrd")


def test_what_is_given_must_make_sense(tmp_path: Path, ct: CtVolume) -> None:
    mask = save(tmp_path / "t.nrrd", TUMOR, ct.image)
    square = np.array([[-5, -5, 0], [5, -5, 0], [5, 5, 0], [-5, 5, 0]])
    contours = write_rtstruct(tmp_path / "rt.dcm", {"GTV": [square], "Eso": [square]}, frame=FRAME)
    with pytest.raises(RegionError, match="at least one of tumor_mask, esophagus_mask"):
        read_regions(ct)
    with pytest.raises(RegionError, match=r"none of its regions is named.*GTV, Eso"):
        read_regions(ct, rtstruct=contours)
    with pytest.raises(RegionError, match="neither a mask of the tumor nor an RTSTRUCT is given"):
        read_regions(ct, tumor_roi="GTV", esophagus_mask=mask)
    with pytest.raises(RegionError, match=r"none of its regions is named.*a label in that file"):
        read_regions(ct, tumor_mask=mask, rtstruct=contours, tumor_roi="GTV")
    with pytest.raises(RegionError, match="missing"):
        read_regions(ct, tumor_mask=tmp_path / "nowhere.nii.gz")
    both = read_regions(ct, rtstruct=contours, tumor_roi="GTV", esophagus_roi="Eso")
    assert both.scales == ("tumor", "esophagus")
    mixed = read_regions(ct, tumor_mask=mask, rtstruct=contours, esophagus_roi="Eso")
    assert mixed.scales == ("tumor", "esophagus")


def test_written_regions_come_back_with_the_same_bytes(tmp_path: Path, ct: CtVolume) -> None:
    cases = {
        "both": regions_from_masks(ct, tumor=TUMOR, esophagus=ESOPHAGUS),
        "tumor": regions_from_masks(ct, tumor=TUMOR),
        "esophagus": regions_from_masks(ct, esophagus=ESOPHAGUS),
        "hidden": regions_from_masks(ct, tumor=TUMOR, esophagus=TUMOR),  # no voxel is left with label 1
    }
    for name, regions in cases.items():
        first, second = tmp_path / name / "regions.nii.gz", tmp_path / name / "again.nii.gz"
        write_regions(first, regions)
        write_regions(second, regions)
        assert first.read_bytes() == second.read_bytes()
        for loaded in (load_regions(first), load_regions(first, ct)):
            assert loaded.scales == regions.scales
            assert np.array_equal(voxels(loaded), voxels(regions))
    assert sorted(file.name for file in (tmp_path / "both").iterdir()) == ["again.nii.gz", "regions.nii.gz"]


def test_a_written_file_serves_as_either_mask(tmp_path: Path, ct: CtVolume) -> None:
    path = tmp_path / "regions.nii.gz"
    write_regions(path, regions_from_masks(ct, tumor=TUMOR, esophagus=ESOPHAGUS))
    regions = read_regions(ct, esophagus_mask=path, tumor_mask=path)
    assert np.array_equal(voxels(regions), np.where(TUMOR, 2, ESOPHAGUS))
    write_regions(path, regions_from_masks(ct, tumor=TUMOR))
    with pytest.raises(RegionError, match="esophagus is not known"):
        read_regions(ct, esophagus_mask=path)


def test_label_maps_from_elsewhere(tmp_path: Path, ct: CtVolume) -> None:
    path = save(tmp_path / "truth.nii.gz", np.where(TUMOR, 2, ESOPHAGUS), ct.image)
    assert load_regions(path, ct).scales == ("tumor", "esophagus")
    assert load_regions(save(tmp_path / "t.nii.gz", TUMOR * 2, ct.image)).scales == ("tumor",)
    with pytest.raises(RegionError, match="labels are 0, 7"):
        load_regions(save(tmp_path / "x.nii.gz", TUMOR * 7, ct.image))
    with pytest.raises(RegionError, match="labels are 0"):
        load_regions(save(tmp_path / "x.nii.gz", TUMOR * 0, ct.image))
