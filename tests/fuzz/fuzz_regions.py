"""Regions: RTSTRUCT, DICOM SEG, label maps."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from fuzz_harness import Family
from mutate import WORDS, damage_file
from pydicom import config

from ct_phantoms import FRAME, torso, write_rtstruct, write_seg
from espark.ct.grid import image_like
from espark.ct.regions.regions import Regions, read_regions
from espark.errors import RegionError

_TAGS = (
    "ContourData", "ContourGeometricType", "ROIName", "ROINumber", "ReferencedROINumber", "NumberOfContourPoints",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames",
    "BitsAllocated", "SegmentNumber", "SegmentLabel", "ReferencedSegmentNumber", "SegmentationType", "PixelData",
    "SOPClassUID", "FrameOfReferenceUID", "SpacingBetweenSlices",
)  # fmt: skip


@functools.cache
def _body() -> tuple:
    body = torso()
    return body, body.ct


def _make_rtstruct(folder: Path) -> None:
    body, ct = _body()
    circle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    contours = []
    for z in np.flatnonzero(body.tumor.any(axis=(1, 2))):
        _, rows, columns = np.nonzero(body.tumor[z : z + 1])
        x, y, depth = ct.image.TransformIndexToPhysicalPoint((int(columns.mean()), int(rows.mean()), int(z)))
        contours.append(np.stack([x + 12 * np.cos(circle), y + 12 * np.sin(circle), np.full(40, depth)], axis=1))
    write_rtstruct(folder / "a.dcm", {"GTV": contours, "other": contours[:2]}, FRAME)


def _make_seg(folder: Path) -> None:
    body, ct = _body()
    write_seg(folder / "a.dcm", {"GTV": body.tumor, "other": body.esophagus}, ct.image)


def _make_label_map(folder: Path) -> None:
    body, ct = _body()
    labels = image_like(np.where(body.tumor, 2, body.esophagus).astype(np.uint8), ct.image)
    sitk.WriteImage(labels, str(folder / "a.nii.gz"))
    names = {"labels": {"background": 0, "esophagus": 1, "GTV": 2}}
    (folder / "dataset.json").write_text(json.dumps(names), encoding="utf-8")


def _damage_dicom(folder: Path, chance: random.Random) -> str:
    (file,) = folder.iterdir()
    if chance.random() < 0.5:
        return damage_file(file, chance, header=chance.choice((400, 0)))
    name, value = chance.choice(_TAGS), chance.choice((*WORDS, "1\\2\\3", "-5", "65535"))
    dataset = pydicom.dcmread(file)
    holders = [item for item in _items(dataset) if name in item] or [dataset]
    holder = chance.choice(holders)
    config.settings.writing_validation_mode = config.IGNORE
    if chance.random() < 0.3:
        if name in holder:
            del holder[name]
    elif pydicom.datadict.dictionary_VR(name) == "US":
        setattr(holder, name, chance.choice((0, 1, 3, 16, 255, 65535)))
    elif name == "PixelData":
        dataset.PixelData = dataset.get("PixelData", b"")[: chance.randrange(2000)] + b"\0"
    else:
        kind = pydicom.datadict.dictionary_VR(name)
        holder.add_new(name, "LO" if kind in ("DS", "IS") else kind, value.split("\\") if "\\" in value else value)
    try:
        dataset.save_as(file)
    except (ValueError, TypeError, AttributeError, UnicodeError, OverflowError):
        return damage_file(file, chance)
    return f"tag {name} = {value[:20]!r}"


def _items(dataset: pydicom.Dataset) -> list[pydicom.Dataset]:
    found = [dataset]
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                found += _items(item)
    return found


def _damage_label_map(folder: Path, chance: random.Random) -> str:
    file = folder / chance.choice(("a.nii.gz", "a.nii.gz", "dataset.json"))
    return damage_file(file, chance, header=352)


def _read(folder: Path) -> Regions:
    _, ct = _body()
    file = next(file for file in sorted(folder.iterdir()) if file.suffix != ".json")
    if file.suffix == ".gz":
        return read_regions(ct, tumor_mask=file, tumor_roi="GTV")
    return read_regions(ct, rtstruct=file, tumor_roi="GTV")


def _wrong(regions: Regions, folder: Path) -> str:
    del folder
    _, ct = _body()
    if regions.labels.GetSize() != ct.image.GetSize() or regions.labels.GetSpacing() != ct.image.GetSpacing():
        return "another grid than the CT"
    try:
        mask = sitk.GetArrayFromImage(regions.mask("tumor"))
    except RegionError:
        return "no tumor, and nothing said"
    return "" if mask.any() and set(np.unique(mask)) <= {0, 1} else "an empty mask"


FAMILIES = {
    "RTSTRUCT": Family(_make_rtstruct, _damage_dicom, _read, _wrong),
    "SEG": Family(_make_seg, _damage_dicom, _read, _wrong),
    "label map": Family(_make_label_map, _damage_label_map, _read, _wrong),
}
