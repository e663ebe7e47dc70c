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
    with pytest.raises(RegionError, match=r"no region GTVp \(did you mean GTV\?\).*one of: 1 GTV \(.* ml\), 2 Eso"):
        read_regions(ct, rtstruct=path, tumor_roi="GTVp")
    with pytest.raises(RegionError, match="several segments"):
        read_regions(ct, tumor_mask=path)


def test_a_single_segment_serves_as_a_mask(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"anything": TUMOR}, ct.image)
    assert np.array_equal(sitk.GetArrayFromImage(read_regions(ct, tumor_mask=path).labels), TUMOR * 2)


def test_segments_of_another_ct(tmp_path: Path, ct: CtVolume) -> None:
    with pytest.raises(RegionError, match="different frame of reference"):
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
