"""Small CTs, series, contours and segmentations for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    RTStructureSetStorage,
    SegmentationStorage,
    generate_uid,
)

from espark.ct.hounsfield import CtVolume

PATIENT = "Doe^Jane"
FRAME = generate_uid(entropy_srcs=["frame"])


def chest(size: tuple[int, int, int] = (40, 36, 12), seed: int = 0) -> np.ndarray:
    """HU (z, y, x) int16: a body in air with a lung on each side and a bright spot front, left, cranial."""
    x, y, z = size
    grid_z, grid_y, grid_x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (z, y, x)), indexing="ij")
    noise = np.random.default_rng(seed).integers(-20, 20, grid_x.shape)
    hu = np.full(grid_x.shape, -1000)
    hu[(grid_x / 0.9) ** 2 + (grid_y / 0.8) ** 2 < 1] = 40
    for side in (-0.45, 0.45):
        hu[((grid_x - side) / 0.25) ** 2 + (grid_y / 0.5) ** 2 < 1] = -800
    hu[(np.abs(grid_x - 0.3) < 0.1) & (np.abs(grid_y + 0.6) < 0.1) & (grid_z > 0.4)] = 900
    return np.clip(hu + noise, -1000, None).astype(np.int16)


TORSO_MM = (4.0, 4.0, 5.0)


@dataclass(frozen=True)
class Torso:
    """A chest of true size, with voxels of `TORSO_MM`.

    Attributes:
        hu: int16 (z, y, x), from below upwards: air, fat, muscle, lungs, spine, windpipe, with noise.
        esophagus: mask of the whole organ.
        tumor: mask of the tumor in it.
    """

    hu: np.ndarray
    esophagus: np.ndarray
    tumor: np.ndarray

    @property
    def ct(self) -> CtVolume:
        return volume(self.hu, TORSO_MM, (-158.0, -118.0, -57.5))


def torso(size: tuple[int, int, int] = (80, 60, 24), seed: int = 0) -> Torso:
    """A body 300 mm wide whose esophagus has a tumor of about 30 ml."""
    x, y, z = (np.arange(n) - (n - 1) / 2 for n in size)
    z, y, x = np.meshgrid(z * TORSO_MM[2], y * TORSO_MM[1], x * TORSO_MM[0], indexing="ij")
    noise = np.random.default_rng(seed)
    hu = np.full(x.shape, -1000.0)
    hu[(x / 150) ** 2 + (y / 105) ** 2 < 1] = -100
    hu[(x / 138) ** 2 + (y / 93) ** 2 < 1] = 45
    for side in (-75, 75):
        hu[((x - side) / 45) ** 2 + (y / 65) ** 2 < 1] = -850
    bone = np.hypot(x, y - 62) < 17
    hu[bone] = noise.uniform(150, 1200, int(bone.sum()))
    hu[(np.hypot(x, y + 8) < 9) & (z > 10)] = -1000
    esophagus = np.hypot(x - 5, y - 20) < 10
    tumor = ((x - 5) / 17) ** 2 + ((y - 20) / 17) ** 2 + ((z + 10) / 25) ** 2 < 1
    hu[esophagus | tumor] = 40
    hu[tumor] = 60
    hu = np.clip(hu + noise.normal(0, 12, hu.shape), -1024, 3071)
    return Torso(np.rint(hu).astype(np.int16), esophagus | tumor, tumor)


def volume(
    hu: np.ndarray, spacing: Sequence[float] = (1.5, 1.5, 3.0), origin: Sequence[float] = (-30, -27, -18)
) -> CtVolume:
    """A CT volume from HU (z, y, x)."""
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return CtVolume(image=image, source="nifti")


@dataclass
class SeriesSpec:
    """How a DICOM series is written."""

    uid: str = field(default_factory=lambda: generate_uid(entropy_srcs=["series"]))
    number: int = 1
    spacing: tuple[float, float] = (1.5, 1.25)  # between rows, between columns
    gap: float = 3.0
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0)
    origin: tuple[float, float, float] = (-30.0, -27.0, -18.0)
    slope: float | None = 1.0
    intercept: float | None = -1024.0
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "AXIAL")
    tags: dict[str, Any] = field(default_factory=dict)


def _start(sop_class: str, spec: SeriesSpec, name: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[spec.uid, name])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(name, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CT"
    dataset.PatientName = PATIENT
    dataset.PatientID = "4711"
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.SeriesInstanceUID = spec.uid
    dataset.SeriesNumber = spec.number
    dataset.FrameOfReferenceUID = FRAME
    dataset.ImageType = list(spec.image_type)
    return dataset


def _pixels(dataset: Dataset, stored: np.ndarray) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.astype("<u2").tobytes()


def _position(spec: SeriesSpec, index: float) -> list[float]:
    row, column = np.array(spec.orientation[:3]), np.array(spec.orientation[3:])
    return [round(float(mm), 6) for mm in np.array(spec.origin) + index * spec.gap * np.cross(row, column)]


def slice_dataset(hu: np.ndarray, index: float, spec: SeriesSpec) -> FileDataset:
    """One slice (rows, columns) of a series, as a DICOM dataset."""
    dataset = _start(CTImageStorage, spec, f"slice {index}")
    dataset.InstanceNumber = 1  # says nothing
    dataset.PixelSpacing = list(spec.spacing)
    dataset.ImageOrientationPatient = list(spec.orientation)
    dataset.ImagePositionPatient = _position(spec, index)
    slope, intercept = spec.slope or 1.0, spec.intercept or 0.0
    if spec.slope is not None:
        dataset.RescaleSlope = spec.slope
    if spec.intercept is not None:
        dataset.RescaleIntercept = spec.intercept
    _pixels(dataset, np.rint((hu - intercept) / slope))
    for tag, value in spec.tags.items():
        setattr(dataset, tag, value)
    return dataset


def write_series(folder: Path, hu: np.ndarray, spec: SeriesSpec | None = None) -> list[Path]:
    """Write HU (z, y, x) as one file per slice; returns the files from caudal to cranial."""
    spec = spec or SeriesSpec()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, plane in enumerate(hu):
        paths.append(folder / f"{spec.number:02d}-{len(hu) - index:03d}.dcm")
        slice_dataset(plane, index, spec).save_as(paths[-1], enforce_file_format=True)
    return paths


def write_multiframe(path: Path, hu: np.ndarray, order: Sequence[int], spec: SeriesSpec | None = None) -> None:
    """Write HU (z, y, x) as one enhanced CT file whose frames stand in ``order``."""
    spec = spec or SeriesSpec()
    dataset = _start(EnhancedCTImageStorage, spec, "frames")
    assert spec.intercept is not None
    _pixels(dataset, hu[list(order)] - spec.intercept)
    dataset.NumberOfFrames = len(hu)
    shared = Dataset()
    shared.PixelMeasuresSequence = _one(PixelSpacing=list(spec.spacing), SliceThickness=99)
    shared.PlaneOrientationSequence = _one(ImageOrientationPatient=list(spec.orientation))
    shared.PixelValueTransformationSequence = _one(
        RescaleSlope=spec.slope, RescaleIntercept=spec.intercept, RescaleType="HU"
    )
    frames = []
    for index in order:
        frame = Dataset()
        frame.PlanePositionSequence = _one(ImagePositionPatient=_position(spec, index))
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def _one(**tags: Any) -> DicomSequence:
    item = Dataset()
    for tag, value in tags.items():
        setattr(item, tag, value)
    return DicomSequence([item])


def write_rtstruct(
    path: Path, contours: dict[str, list[np.ndarray]], frame: str = FRAME, kind: str = "CLOSED_PLANAR"
) -> Path:
    """Write contours, each (n, 3) in mm, by region name."""
    dataset = _start(RTStructureSetStorage, SeriesSpec(uid=generate_uid(entropy_srcs=["rt"])), str(path))
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = DicomSequence([]), DicomSequence([])
    for number, (name, polygons) in enumerate(contours.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
        dataset.StructureSetROISequence.append(roi)
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = DicomSequence([])
        for points in polygons:
            item = Dataset()
            item.ContourGeometricType = kind
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{mm:.4f}" for mm in points.ravel()]
            drawn.ContourSequence.append(item)
        dataset.ROIContourSequence.append(drawn)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_seg(path: Path, masks: dict[str, np.ndarray], ct: sitk.Image, frame: str = FRAME) -> Path:
    """Write masks (z, y, x) on the CT's grid as a binary DICOM SEG: only slices that hold something, from above down,
    rows from back to front."""
    dataset = _start(SegmentationStorage, SeriesSpec(uid=generate_uid(entropy_srcs=["seg"])), str(path))
    dataset.Modality, dataset.SegmentationType, dataset.FrameOfReferenceUID = "SEG", "BINARY", frame
    dataset.SegmentSequence, groups, frames = DicomSequence([]), DicomSequence([]), []
    for number, (label, mask) in enumerate(masks.items(), start=1):
        dataset.SegmentSequence.append(_one(SegmentNumber=number, SegmentLabel=label)[0])
        for z in np.flatnonzero(mask.any(axis=(1, 2)))[::-1]:
            frames.append(mask[z, ::-1])
            last_row = ct.TransformIndexToPhysicalPoint((0, mask.shape[1] - 1, int(z)))
            group = Dataset()
            group.SegmentIdentificationSequence = _one(ReferencedSegmentNumber=number)
            group.PlanePositionSequence = _one(ImagePositionPatient=list(last_row))
            groups.append(group)
    direction = np.array(ct.GetDirection()).reshape(3, 3)
    shared = Dataset()
    shared.PixelMeasuresSequence = _one(PixelSpacing=[ct.GetSpacing()[1], ct.GetSpacing()[0]])
    shared.PlaneOrientationSequence = _one(ImageOrientationPatient=[*direction[:, 0], *-direction[:, 1]])
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = groups
    _pixels(dataset, np.stack(frames))
    dataset.NumberOfFrames, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = len(frames), 1, 1, 0
    bits = np.packbits(np.stack(frames).ravel(), bitorder="little").tobytes()
    dataset.PixelData = bits + b"\0" * (len(bits) % 2)
    dataset.save_as(path, enforce_file_format=True)
    return path
