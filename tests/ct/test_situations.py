"""Situations that people report in public trackers, each as a small input: the right value or a word, never silence."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import PositronEmissionTomographyImageStorage

from ct_phantoms import TORSO_MM, SeriesSpec, slice_dataset, torso, write_rtstruct, write_seg, write_series
from espark.ct.files.volume import read_ct
from espark.ct.hounsfield import CtVolume
from espark.errors import InputError
from espark.steps.prepare.patient_ct import PatientCt, read_ct_and_regions
from espark.workspace.patient_files import PatientFiles

TORSO = torso()
ML = float(np.prod(TORSO_MM)) / 1000
TUMOR_ML, ESOPHAGUS_ML = TORSO.tumor.sum() * ML, TORSO.esophagus.sum() * ML


def save(path: Path, voxels: np.ndarray, like: sitk.Image | None = None) -> Path:
    image = sitk.GetImageFromArray(voxels)
    if like is not None:
        image.CopyInformation(like)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    sitk.WriteImage(TORSO.ct.image, str(tmp_path / "ct.nii.gz"))
    return tmp_path / "ct.nii.gz"


@pytest.fixture
def series(tmp_path: Path) -> Path:
    spec = SeriesSpec(spacing=TORSO_MM[:2], gap=TORSO_MM[2], origin=(-158.0, -118.0, -57.5))
    write_series(tmp_path / "ct", TORSO.hu, spec)
    return tmp_path / "ct"


def prepared(ct: Path, files: PatientFiles) -> PatientCt:
    return read_ct_and_regions(replace(files, ct=ct))


def tumor(path: Path, voxels: np.ndarray = TORSO.tumor) -> Path:
    return save(path, voxels.astype(np.uint8), TORSO.ct.image)


def codes(read: PatientCt | CtVolume) -> list[str]:
    notes = (*read.ct.notes, *read.region_notes) if isinstance(read, PatientCt) else read.notes
    return [note.code for note in notes]


def refused(ct: Path, files: PatientFiles) -> str:
    with pytest.raises(InputError) as caught:
        prepared(ct, files)
    return caught.value.code


def test_an_array_of_slices_saved_with_the_identity_affine(tmp_path: Path) -> None:
    """nibabel: the stack of pydicom's pixel arrays, (z, y, x), goes into a file with `np.eye(4)`."""
    path = save(tmp_path / "ct.nii.gz", TORSO.hu.transpose(2, 1, 0))  # SimpleITK writes the first axis last
    mask = save(tmp_path / "m.nii.gz", TORSO.tumor.transpose(2, 1, 0).astype(np.uint8))
    assert refused(path, PatientFiles(tumor_mask=mask)) == "E-CT-032"
    wide = save(tmp_path / "wide.nii.gz", np.repeat(TORSO.hu, 5, axis=0).transpose(2, 1, 0))
    mask = save(tmp_path / "m.nii.gz", np.repeat(TORSO.tumor, 5, axis=0).transpose(2, 1, 0).astype(np.uint8))
    assert "D-CT-009" in codes(prepared(wide, PatientFiles(tumor_mask=mask)))


def test_a_mask_resampled_to_the_spacing_of_a_network(ct: Path, tmp_path: Path) -> None:
    """TotalSegmentator and nnU-Net: the mask has the spacing of the network, not that of the CT."""
    image = sitk.ReadImage(str(tumor(tmp_path / "m.nii.gz")))
    size, nearest = [160, 120, 48], sitk.sitkNearestNeighbor
    fine = sitk.Resample(image, size, sitk.Transform(), nearest, image.GetOrigin(), (2, 2, 2.5))
    sitk.WriteImage(fine, str(tmp_path / "fine.nii.gz"))
    assert refused(ct, PatientFiles(tumor_mask=tmp_path / "fine.nii.gz")) == "E-REGION-005"


def test_probabilities_in_place_of_a_mask(ct: Path, tmp_path: Path) -> None:
    """nnU-Net: the softmax is saved instead of the labels."""
    soft = sitk.SmoothingRecursiveGaussian(sitk.ReadImage(str(tumor(tmp_path / "m.nii.gz")), sitk.sitkFloat32), 4.0)
    sitk.WriteImage(soft, str(tmp_path / "soft.nii.gz"))
    assert refused(ct, PatientFiles(tumor_mask=tmp_path / "soft.nii.gz")) == "E-REGION-007"


def test_a_mask_cropped_to_its_region(ct: Path, tmp_path: Path) -> None:
    """3D Slicer: a label map is exported without a reference volume."""
    image = sitk.ReadImage(str(tumor(tmp_path / "m.nii.gz")))
    sitk.WriteImage(image[20:60, 20:50, 2:20], str(tmp_path / "cropped.nii.gz"))
    assert refused(ct, PatientFiles(tumor_mask=tmp_path / "cropped.nii.gz")) == "E-REGION-005"


def test_slices_between_those_that_were_drawn_are_empty(ct: Path, tmp_path: Path) -> None:
    """3D Slicer: drawn on every third slice, and `Fill between slices` was never applied."""
    drawn = TORSO.esophagus.copy()
    drawn[np.arange(24) % 3 != 0] = False
    assert refused(ct, PatientFiles(esophagus_mask=tumor(tmp_path / "e.nii.gz", drawn))) == "E-REGION-022"


def test_a_stray_stroke_far_away(ct: Path, tmp_path: Path) -> None:
    """3D Slicer and ITK-SNAP: one click outside the region stays in the mask and makes it 100 mm long."""
    drawn = TORSO.tumor.copy()
    drawn[22, 33:36, 40:43] = True
    read = prepared(ct, PatientFiles(tumor_mask=tumor(tmp_path / "m.nii.gz", drawn)))
    assert "D-REGION-012" in codes(read)


def test_ct_and_mask_in_each_others_column(ct: Path, tmp_path: Path) -> None:
    mask = tumor(tmp_path / "m.nii.gz")
    assert refused(mask, PatientFiles(tumor_mask=ct)) == "E-CT-003"
    assert refused(ct, PatientFiles(tumor_mask=ct)) == "E-REGION-006"


def test_a_ct_resampled_with_zero_outside(ct: Path, tmp_path: Path) -> None:
    """SimpleITK: the default value of `Resample` outside the image is 0, which is water."""
    image = sitk.ReadImage(str(ct))
    turn = sitk.Euler3DTransform(image.TransformContinuousIndexToPhysicalPoint((39.5, 29.5, 11.5)), 0, 0, 0.2)
    sitk.WriteImage(sitk.Resample(image, image, turn, sitk.sitkLinear, 0), str(tmp_path / "turned.nii.gz"))
    assert codes(read_ct(tmp_path / "turned.nii.gz")) == ["D-CT-010"]
    sitk.WriteImage(sitk.Resample(image, image, turn, sitk.sitkLinear, -1000), str(tmp_path / "turned.nii.gz"))
    assert codes(read_ct(tmp_path / "turned.nii.gz")) == []


def test_hidden_files_of_macos(series: Path) -> None:
    """pydicom: a zip from macOS holds a file `._name` beside each file, which is no DICOM."""
    for path in list(series.iterdir()):
        (series / f"._{path.name}").write_bytes(b"\0\5\26\7" + bytes(200))
    read = read_ct(series)
    assert read.size == (80, 60, 24) and codes(read) == ["N-CT-001"]
    assert "24 × hidden file" in read.notes[0].text


def test_copies_that_a_download_left_behind(series: Path) -> None:
    """TCIA: files fetched twice, `1-001 (1).dcm`."""
    for path in list(series.iterdir())[:5]:
        shutil.copy(path, path.with_name(f"{path.stem} (1).dcm"))
    read = read_ct(series)
    assert read.size[2] == 24 and codes(read) == ["N-CT-006"]


def test_pet_beside_ct(series: Path) -> None:
    """PET/CT in one folder: the PET is left aside, and is never taken for a CT."""
    spec = SeriesSpec(uid="1.2.9", number=9, spacing=TORSO_MM[:2], gap=TORSO_MM[2], intercept=0.0)
    for index in range(24):
        pet = slice_dataset(np.abs(TORSO.hu[index]), index, spec)
        pet.SOPClassUID = pet.file_meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
        pet.Modality = "PT"
        pet.save_as(series / f"pet{index}")
    assert codes(read_ct(series)) == ["N-CT-001"]
    for path in series.glob("*.dcm"):
        path.unlink()
    with pytest.raises(InputError, match=r"no CT image \(24 × Positron Emission Tomography Image\)"):
        read_ct(series)


def test_monochrome1(series: Path) -> None:
    """pydicom: MONOCHROME1 shows air white; read as it is, every value would have the wrong sign."""
    for path in series.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.save_as(path)
    assert refused(series, PatientFiles()) == "E-CT-015"


def test_four_phases_in_one_series(tmp_path: Path) -> None:
    """4D CT: every place is there once for each phase of breathing."""
    tmp_path.mkdir(exist_ok=True)
    for phase in range(2):
        for index, plane in enumerate(torso(seed=phase).hu):
            spec = SeriesSpec(uid="1.2.4", spacing=TORSO_MM[:2], gap=5.0, tags={"TemporalPositionIndex": phase + 1})
            slice_dataset(plane, index, spec).save_as(tmp_path / f"{phase}-{index}")
    assert refused(tmp_path, PatientFiles()) == "E-CT-020"


def test_two_passes_of_the_scanner_that_overlap(tmp_path: Path) -> None:
    """vtk-dicom: neck and chest were scanned one after the other, and their slices lie between each other."""
    for number, start in ((1, 0.0), (2, 11.5)):
        for index in range(14):
            spec = SeriesSpec(uid="1.2.5", spacing=TORSO_MM[:2], gap=5.0, tags={"AcquisitionNumber": number})
            plane = TORSO.hu[min(round(start + index), 23)]
            slice_dataset(plane, start + index, spec).save_as(tmp_path / f"{number}-{index}")
    assert refused(tmp_path, PatientFiles()) == "E-CT-020"


@pytest.mark.parametrize("thin", [0.1, 0.5])
def test_thin_and_thick_slices_in_one_series(tmp_path: Path, thin: float) -> None:
    """dcm2niix: two distances, and a step between them that fits neither."""
    places = [*range(12), 11 + thin, *(11 + thin + 3 * np.arange(1, 9))]
    for plane, place in zip(TORSO.hu, places, strict=False):
        spec = SeriesSpec(spacing=TORSO_MM[:2], gap=2.5)
        slice_dataset(plane, float(place), spec).save_as(tmp_path / f"{place:.2f}")
    assert refused(tmp_path, PatientFiles()) == "E-CT-022"


def test_series_whose_uid_was_removed(tmp_path: Path) -> None:
    """deid: without SeriesInstanceUID, two series would become one."""
    for number, slices in ((1, 24), (2, 10)):
        spec = SeriesSpec(number=number, spacing=TORSO_MM[:2], gap=5.0, tags={"SeriesInstanceUID": ""})
        write_series(tmp_path, TORSO.hu[:slices], spec)
    read = read_ct(tmp_path)
    assert read.size[2] == 24 and codes(read) == ["N-CT-003"]


def test_two_energies_as_two_series(tmp_path: Path) -> None:
    """Dual-energy CT: 80 kV and 140 kV have the same slices, and other Hounsfield units."""
    for number, kilovolt in ((1, 80), (2, 140)):
        spec = SeriesSpec(uid=f"1.2.{number}", number=number, spacing=TORSO_MM[:2], gap=5.0, tags={"KVP": kilovolt})
        write_series(tmp_path, torso(seed=number).hu, spec)
    assert codes(read_ct(tmp_path)) == ["N-CT-003", "D-CT-004"]


def contours(mask: np.ndarray, shift_mm: float = 0.0, digits: int | None = None) -> list[np.ndarray]:
    """The outline of each slice of a mask, along the borders of its voxels, in mm."""
    found = []
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        rows, columns = np.where(mask[z].any(axis=1))[0], np.where(mask[z].any(axis=0))[0]
        (top, bottom), (left, right) = (rows[0] - 0.5, rows[-1] + 0.5), (columns[0] - 0.5, columns[-1] + 0.5)
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        depth = -57.5 + 5 * z + shift_mm
        found.append(
            np.column_stack((corners * 4 + (-158, -118), np.full(4, depth if digits is None else round(depth, digits))))
        )
    return found


BOX = np.zeros_like(TORSO.tumor)
BOX[6:14, 31:38, 37:44] = True


@pytest.mark.parametrize(("shift", "digits"), [(0.0, None), (0.04, None), (2.5, None), (0.0, 0)])
def test_contours_beside_the_slices(series: Path, tmp_path: Path, shift: float, digits: int | None) -> None:
    """dcmrtstruct2nii and plastimatch: depths are rounded, or lie on the borders between slices."""
    path = write_rtstruct(tmp_path / "rt.dcm", {"GTV": contours(BOX, shift, digits)})
    read = prepared(series, PatientFiles(rtstruct=path, tumor_roi="GTV"))
    assert read.regions.volume_ml("tumor") == pytest.approx(BOX.sum() * ML)
    assert codes(read) == []


def test_contours_with_open_lines_and_points_beside_them(series: Path, tmp_path: Path) -> None:
    """Planning systems store the isocenter or a ruler in the region: what is left out is told."""
    path = write_rtstruct(tmp_path / "rt.dcm", {"GTV": contours(BOX)})
    dataset = pydicom.dcmread(path)
    drawn = dataset.ROIContourSequence[0].ContourSequence
    for kind, numbers in (("POINT", 3), ("OPEN_PLANAR", 9), ("CLOSED_PLANAR", 6)):
        item = pydicom.Dataset()
        item.ContourGeometricType, item.NumberOfContourPoints = kind, numbers // 3
        item.ContourData = ["0"] * numbers
        drawn.append(item)
    dataset.save_as(path)
    read = prepared(series, PatientFiles(rtstruct=path, tumor_roi="GTV"))
    assert read.regions.volume_ml("tumor") == pytest.approx(BOX.sum() * ML) and codes(read) == ["N-REGION-015"]


def test_contours_of_another_acquisition(series: Path, tmp_path: Path) -> None:
    """rt-utils: the structure set was made for another series of the study."""
    path = write_rtstruct(tmp_path / "rt.dcm", {"GTV": contours(BOX)}, frame="1.2.99")
    assert refused(series, PatientFiles(rtstruct=path, tumor_roi="GTV")) == "E-REGION-011"


def test_a_folder_in_place_of_the_structure_set(series: Path, tmp_path: Path) -> None:
    assert refused(series, PatientFiles(rtstruct=tmp_path, tumor_roi="GTV")) == "E-REGION-012"


def test_a_segmentation_on_a_resampled_ct(series: Path, tmp_path: Path) -> None:
    """highdicom and dcmqi: the segmentation was made on a resampled CT."""
    size, origin, spacing = [160, 120, 24], (-158, -118, -57.5), (2, 2, 5)
    image = sitk.Resample(read_ct(series).image, size, sitk.Transform(), sitk.sitkLinear, origin, spacing)
    path = write_seg(tmp_path / "seg.dcm", {"x": np.repeat(np.repeat(BOX, 2, axis=1), 2, axis=2)}, image)
    assert refused(series, PatientFiles(tumor_mask=path)) == "E-REGION-005"


def test_esophagus_outlined_as_a_tube_without_its_wall(ct: Path, tmp_path: Path) -> None:
    """A mask of the lumen, or of the windpipe, holds air."""
    windpipe = (TORSO.hu < -900) & (np.indices(TORSO.hu.shape)[1] > 22) & (np.indices(TORSO.hu.shape)[1] < 34)
    windpipe &= np.abs(np.indices(TORSO.hu.shape)[2] - 40) < 4
    assert refused(ct, PatientFiles(esophagus_mask=tumor(tmp_path / "e.nii.gz", windpipe))) == "E-REGION-020"


def test_values_that_lost_their_sign(tmp_path: Path) -> None:
    """nibabel and SimpleITK: cast to uint16, −1000 becomes 64536."""
    path = save(tmp_path / "ct.nii.gz", TORSO.hu.astype(np.uint16), TORSO.ct.image)
    assert refused(path, PatientFiles()) == "E-CT-010"


def test_the_right_files_give_the_right_volumes(ct: Path, tmp_path: Path) -> None:
    masks = PatientFiles(
        tumor_mask=tumor(tmp_path / "t.nii.gz"), esophagus_mask=tumor(tmp_path / "e.nii.gz", TORSO.esophagus)
    )
    read = prepared(ct, masks)
    assert read.regions.volume_ml("tumor") == pytest.approx(TUMOR_ML)
    assert read.regions.volume_ml("esophagus") == pytest.approx(ESOPHAGUS_ML)
    assert codes(read) == []
