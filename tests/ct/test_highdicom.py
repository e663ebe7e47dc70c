"""Segments that highdicom wrote, the usual way to make a DICOM SEG in Python, come back voxel by voxel."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from ct_phantoms import SeriesSpec, chest, write_series
from espark.ct.files.volume import read_ct
from espark.ct.regions.regions import read_regions, region_names

hd = pytest.importorskip("highdicom")

TUMOR = np.zeros((12, 36, 40), dtype=bool)
TUMOR[4:7, 15:21, 17:25] = True
ESOPHAGUS = np.zeros_like(TUMOR)
ESOPHAGUS[1:11, 16:22, 18:24] = True
NEEDED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "SliceThickness",
)  # fmt: skip
WHERE = {
    "feet first": SeriesSpec(orientation=(-1, 0, 0, 0, 1, 0)),
    "head first": SeriesSpec(),
}


def segment(number: int, label: str) -> Any:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=hd.sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure"),
        segmented_property_type=hd.sr.CodedConcept("108369006", "SCT", "Neoplasm"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


def written(ct: Path, masks: dict[str, np.ndarray], kind: str, path: Path, **options: Any) -> Path:
    """Masks on the grid of `read_ct`, as highdicom writes them for the slices of a CT."""
    volume = read_ct(ct).image
    slices = [pydicom.dcmread(file) for file in ct.glob("*.dcm")]
    for one, name in itertools.product(slices, NEEDED):
        if name not in one:
            setattr(one, name, None)
    slices.sort(key=lambda one: volume.TransformPhysicalPointToContinuousIndex(list(one.ImagePositionPatient))[2])
    # highdicom counts rows and columns as they are stored, the grid of a CT may run the other way.
    axes = np.array(slices[0].ImageOrientationPatient).reshape(2, 3)
    columns, rows = (float(axes[k] @ np.array(volume.GetDirection()).reshape(3, 3)[:, k]) for k in (0, 1))
    stored = np.stack(list(masks.values()), axis=-1)[:, :: round(rows), :: round(columns)]
    pixels = stored.astype(np.float32) * 0.9 if kind == "FRACTIONAL" else stored.astype(np.uint8)
    if kind == "LABELMAP":
        pixels = (np.arange(1, len(masks) + 1) * stored).max(axis=-1).astype(np.uint8)
    made = hd.seg.Segmentation(
        slices, pixels, segmentation_type=kind,
        segment_descriptions=[segment(number, label) for number, label in enumerate(masks, start=1)],
        series_instance_uid=generate_uid(), series_number=2, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="test", manufacturer_model_name="test", software_versions="1", device_serial_number="1",
        **options,
    )  # fmt: skip
    made.save_as(path)
    return path


@pytest.mark.parametrize("where", list(WHERE))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("BINARY", {}),
        ("BINARY", {"omit_empty_frames": False}),
        ("FRACTIONAL", {}),
        ("FRACTIONAL", {"transfer_syntax_uid": pydicom.uid.RLELossless}),
        ("LABELMAP", {}),
        ("LABELMAP", {"transfer_syntax_uid": pydicom.uid.RLELossless}),
    ],
)
def test_segments_of_highdicom(tmp_path: Path, where: str, kind: str, options: dict[str, Any]) -> None:
    write_series(tmp_path / "ct", chest(), WHERE[where])
    masks = {"GTV": TUMOR, "Esophagus": ESOPHAGUS & ~TUMOR}  # a label map holds one segment in a voxel
    path = written(tmp_path / "ct", masks, kind, tmp_path / "seg.dcm", **options)
    assert region_names(path) == ["GTV", "Esophagus"]
    regions = read_regions(read_ct(tmp_path / "ct"), rtstruct=path, tumor_roi="GTV", esophagus_roi="Esophagus")
    assert np.array_equal(sitk.GetArrayFromImage(regions.labels), np.where(TUMOR, 2, ESOPHAGUS))
