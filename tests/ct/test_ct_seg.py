"""Regions from DICOM SEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from ct_phantoms import SeriesSpec, chest, write_seg, write_series
from espark.ct.files.volume import CtVolume, read_ct
from espark.ct.regions.regions import read_regions, region_names
from espark.errors import RegionError
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.workspace.patient_files import PatientFiles

TUMOR = np.zeros((12, 36, 40), dtype=bool)
TUMOR[4:7, 15:21, 17:25] = True
ESOPHAGUS = np.zeros_like(TUMOR)
ESOPHAGUS[1:11, 16:22, 18:24] = True


@pytest.fixture(params=[(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 1, 0)], ids=["head first", "feet first"])
def ct(tmp_path: Path, request: pytest.FixtureRequest) -> CtVolume:
    write_series(tmp_path / "ct", chest(), SeriesSpec(orientation=request.param))
    return read_ct(tmp_path / "ct")


def test_segments_by_label(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"GTV": TUMOR, "Esophagus": ESOPHAGUS}, ct.image)
    assert region_names(path) == ["GTV", "Esophagus"]
    regions = read_regions(ct, rtstruct=path, tumor_roi="GTV", esophagus_roi="Esophagus")
    assert np.array_equal(sitk.GetArrayFromImage(regions.labels), np.where(TUMOR, 2, ESOPHAGUS))
    with pytest.raises(RegionError, match=r"no region GTVp\..*one of: 1 GTV \(.* ml\), 2 Eso.*Did you mean GTV\?"):
        read_regions(ct, rtstruct=path, tumor_roi="GTVp")
    with pytest.raises(RegionError, match="several segments"):
        read_regions(ct, tumor_mask=path)


def test_a_single_segment_serves_as_a_mask(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"anything": TUMOR}, ct.image)
    assert np.array_equal(sitk.GetArrayFromImage(read_regions(ct, tumor_mask=path).labels), TUMOR * 2)


def test_segments_of_another_ct(tmp_path: Path, ct: CtVolume) -> None:
    with pytest.raises(RegionError, match="a different frame of reference"):
        read_regions(ct, tumor_mask=write_seg(tmp_path / "a.dcm", {"x": TUMOR}, ct.image, frame="1.2.3"))
    for change, message in (((0.4, 0, 0), "different grid"), ((0, 0, 30), "beyond the CT")):
        moved = sitk.Image(ct.image)
        moved.SetOrigin(np.add(ct.image.GetOrigin(), change).tolist())
        with pytest.raises(RegionError, match=message):
            read_regions(ct, tumor_mask=write_seg(tmp_path / "b.dcm", {"x": TUMOR}, moved))


def _changed(path: Path, pixels: np.ndarray, **tags: object) -> Path:
    """A SEG with other pixels (frame, row, column), a byte each."""
    dataset = pydicom.dcmread(path)
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    data = pixels.astype(np.uint8).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB"
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_fractional_segment_counts_from_one_half_on(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"GTV": TUMOR}, ct.image)
    frames = pydicom.dcmread(path).pixel_array
    graded = np.where(frames, np.where(np.arange(frames.shape[2]) % 2, 255, 128), 127)
    _changed(path, graded, SegmentationType="FRACTIONAL", MaximumFractionalValue=255)
    assert np.array_equal(sitk.GetArrayFromImage(read_regions(ct, tumor_mask=path).labels), TUMOR * 2)


def test_a_label_map_holds_all_segments_in_each_frame(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"GTV": TUMOR | ESOPHAGUS, "Esophagus": ESOPHAGUS}, ct.image)
    dataset = pydicom.dcmread(path)
    places = np.flatnonzero((TUMOR | ESOPHAGUS).any(axis=(1, 2)))[::-1]
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[: len(places)]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.SegmentIdentificationSequence
    dataset.NumberOfFrames = len(places)
    dataset.SegmentSequence.insert(0, pydicom.Dataset())
    dataset.SegmentSequence[0].SegmentNumber, dataset.SegmentSequence[0].SegmentLabel = 0, "background"
    uid = "1.2.840.10008.5.1.4.1.1.66.7"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid
    dataset.save_as(path, enforce_file_format=True)
    values = np.where(TUMOR, 1, ESOPHAGUS * 2)
    _changed(path, values[places][:, ::-1], SegmentationType="LABELMAP")
    regions = read_regions(ct, rtstruct=path, tumor_roi="GTV", esophagus_roi="2")
    assert np.array_equal(sitk.GetArrayFromImage(regions.labels), np.where(TUMOR, 2, ESOPHAGUS))
    with pytest.raises(RegionError, match="no region background"):
        read_regions(ct, rtstruct=path, tumor_roi="background")


def _coarse(tmp_path: Path, shift: float = 0.0, stated: float | None = 6.0) -> tuple[CtVolume, Path]:
    """A CT of 3 mm slices, and a segment drawn on planes 6 mm apart, each the mean of two slices where shifted."""
    write_series(tmp_path / "ct", chest(), SeriesSpec())
    ct = read_ct(tmp_path / "ct")
    drawn = np.zeros((6, 36, 40), dtype=bool)
    drawn[1:4, 15:21, 17:25] = True
    grid = sitk.GetImageFromArray(drawn.astype(np.uint8))
    grid.SetSpacing((*ct.spacing_mm[:2], 6.0))
    grid.SetDirection(ct.image.GetDirection())
    grid.SetOrigin(ct.image.TransformContinuousIndexToPhysicalPoint((0, 0, shift)))
    path = write_seg(tmp_path / "seg.dcm", {"GTV": drawn}, grid)
    dataset = pydicom.dcmread(path)
    if stated is not None:
        dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = stated
    dataset.save_as(path)
    return ct, path


@pytest.mark.parametrize("stated", [6.0, None])
@pytest.mark.parametrize(("shift", "slices"), [(0.0, [1, 2, 3, 4, 5, 6]), (0.5, [2, 3, 4, 5, 6, 7])])
def test_planes_coarser_than_the_ct_fill_the_space_between_them(
    tmp_path: Path, shift: float, slices: list[int], stated: float | None
) -> None:
    ct, path = _coarse(tmp_path, shift, stated)
    regions = read_regions(ct, tumor_mask=path)
    filled = sitk.GetArrayFromImage(regions.labels) == 2
    assert np.flatnonzero(filled.any(axis=(1, 2))).tolist() == slices
    assert regions.volume_ml("tumor") == pytest.approx(3 * 6 * 8 * 6 * 1.5 * 1.25 / 1000)
    (note,) = regions.notes
    assert note.code == "N-REGION-013" and "6.0 mm apart, the slices of the CT 3.0 mm" in note.text


def test_planes_finer_than_the_ct_lie_on_another_grid(tmp_path: Path, ct: CtVolume) -> None:
    grid = sitk.Image(ct.image)
    grid.SetSpacing((*ct.spacing_mm[:2], 1.0))
    with pytest.raises(RegionError, match="a different grid"):
        read_regions(ct, tumor_mask=write_seg(tmp_path / "seg.dcm", {"x": TUMOR}, grid))


def test_lesions_far_apart_on_the_grid_of_the_ct_stay_as_drawn(tmp_path: Path, ct: CtVolume) -> None:
    apart = np.zeros_like(TUMOR)
    apart[[2, 9], 15:21, 17:25] = True
    path = write_seg(tmp_path / "seg.dcm", {"x": apart, "y": ESOPHAGUS}, ct.image)
    assert np.array_equal(sitk.GetArrayFromImage(read_regions(ct, rtstruct=path, tumor_roi="x").labels), apart * 2)


def _named(path: Path, uid: str) -> Path:
    dataset = pydicom.dcmread(path)
    dataset.ReferencedSeriesSequence = [pydicom.Dataset()]
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = uid
    dataset.save_as(path)
    return path


def test_a_segmentation_names_the_series_on_which_it_was_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    for number, slices in ((1, 12), (2, 9)):
        write_series(tmp_path / "ct", chest()[:slices], SeriesSpec(uid=f"1.2.{number}", number=number, spacing=(6, 6)))
    drawn_on = read_ct(tmp_path / "ct", series_uid="1.2.2")
    seg = _named(write_seg(tmp_path / "seg.dcm", {"GTV": TUMOR[:9]}, drawn_on.image), "1.2.2")
    for files in (PatientFiles(ct=folder, tumor_mask=seg), PatientFiles(ct=folder, rtstruct=seg, tumor_roi="GTV")):
        assert read_patient_ct(files).series_uid == "1.2.2"
    assert read_patient_ct(PatientFiles(ct=folder, tumor_mask=seg, ct_series="1")).series_uid == "1.2.1"
    other = _named(write_seg(tmp_path / "other.dcm", {"E": ESOPHAGUS}, read_ct(tmp_path / "ct").image), "1.2.1")
    with pytest.raises(RegionError, match="drawn on 2 different CT series"):
        read_patient_ct(PatientFiles(ct=folder, tumor_mask=seg, esophagus_mask=other))
    ct = read_patient_ct(PatientFiles(ct=folder, tumor_mask=_named(seg, "1.2.77")))
    assert [note.code for note in ct.notes] == ["N-CT-003", "N-REGION-018"]


def test_a_segmentation_of_another_person_is_doubted(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"GTV": TUMOR}, ct.image)
    assert read_regions(ct, tumor_mask=path).notes == ()
    dataset = pydicom.dcmread(path)
    dataset.PatientID = "4712"
    dataset.save_as(path)
    (note,) = read_regions(ct, tumor_mask=path).notes
    assert note.code == "D-REGION-004" and "4712" not in note.text
