"""Writes a simulated volume as a DICOM CT series with headers that state that it is simulated."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from espark.files import atomic_path
from espark.types import AnyArray

MARK = "ESPARK SIMULATED"
"""Stands in ManufacturerModelName, SeriesDescription and ImageComments of every simulated file."""

_NAMESPACE = uuid.UUID("6f6c1b1e-2f55-5d0c-9a43-5b3e0d6a7c11")
_IMPLEMENTATION = "ESPARK_SIM_1"
_INTERCEPT = -1024
_LARGEST_STORED = 4095


@dataclass(frozen=True)
class SeriesHeader:
    """What the headers of a series say beside its geometry.

    Attributes:
        patient_id: the study's own id; it is also the patient's name.
        entropy: distinguishes this trial's identifiers from another trial's.
        sex: ``M`` or ``F``.
        age: years.
        kernel: convolution kernel.
        kilovolt: tube voltage.
        slice_mm: slice thickness.
        center: name of the center.
        contrast: contrast phase, empty for a plain scan.
    """

    patient_id: str
    entropy: str
    sex: str
    age: int
    kernel: str
    kilovolt: int
    slice_mm: float
    center: str
    contrast: str


@dataclass(frozen=True)
class Geometry:
    """Voxel grid of a supine patient in DICOM's patient coordinates, axes along left, posterior, superior.

    Attributes:
        spacing: voxel size x, y, z in mm; z is the distance between slices.
        origin: centre of the first voxel (right-most, front-most, lowest) in mm.
    """

    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]


def uid(*parts: str) -> UID:
    """A valid UID under the root for UUIDs (2.25), the same for the same parts."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(parts)).int}")


def write_series(folder: Path, volume: AnyArray, geometry: Geometry, header: SeriesHeader) -> None:
    """Write one file per slice, the uppermost first, each atomically.

    Args:
        folder: made when missing.
        volume: HU, shape (z, y, x), z growing upwards; cut off at −1024 and 3071.
        geometry: its grid.
        header: what else the headers say.
    """
    stored = np.clip(np.rint(volume) - _INTERCEPT, 0, _LARGEST_STORED).astype("<u2")
    template = _series_dataset(header, geometry, stored.shape[1:])
    count = stored.shape[0]
    for number in range(1, count + 1):
        index = count - number
        _complete_instance(template, stored[index], index, number, geometry, header)
        with atomic_path(folder / f"{number:04d}.dcm") as temporary:
            template.save_as(temporary, enforce_file_format=True)


def _series_dataset(header: SeriesHeader, geometry: Geometry, shape: tuple[int, ...]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = _IMPLEMENTATION
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _patient_and_study(dataset, header)
    _series_and_equipment(dataset, header)
    _pixel_description(dataset, geometry, shape)
    return dataset


def _patient_and_study(dataset: Dataset, header: SeriesHeader) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = header.patient_id
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = header.sex
    dataset.PatientAge = f"{header.age:03d}Y"
    dataset.StudyInstanceUID = uid(header.entropy, header.patient_id, "study")
    dataset.StudyDate = ""
    dataset.StudyTime = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "Chest and upper abdomen before treatment"


def _series_and_equipment(dataset: Dataset, header: SeriesHeader) -> None:
    dataset.SOPClassUID = CTImageStorage
    dataset.Modality = "CT"
    dataset.SeriesInstanceUID = uid(header.entropy, header.patient_id, "series")
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = f"{MARK} chest {header.contrast or 'plain'} {header.slice_mm:g} mm {header.kernel}"
    dataset.PatientPosition = "HFS"
    dataset.BodyPartExamined = "CHEST"
    dataset.FrameOfReferenceUID = uid(header.entropy, header.patient_id, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = "espark"
    dataset.ManufacturerModelName = MARK
    dataset.InstitutionName = f"Simulated center {header.center}"
    dataset.KVP = str(header.kilovolt)
    dataset.ConvolutionKernel = header.kernel
    if header.contrast:
        dataset.ContrastBolusAgent = "Iodinated contrast medium"


def _pixel_description(dataset: Dataset, geometry: Geometry, shape: tuple[int, ...]) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImageComments = f"{MARK}: not a patient. For research and teaching."
    dataset.AcquisitionNumber = 1
    dataset.PixelSpacing = [_decimal(geometry.spacing[1]), _decimal(geometry.spacing[0])]
    dataset.SliceThickness = _decimal(geometry.spacing[2])
    dataset.SpacingBetweenSlices = _decimal(geometry.spacing[2])
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept = str(_INTERCEPT)
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter = "40"
    dataset.WindowWidth = "400"


def _complete_instance(
    dataset: FileDataset, pixels: AnyArray, index: int, number: int, geometry: Geometry, header: SeriesHeader
) -> None:
    instance = uid(header.entropy, header.patient_id, "image", str(number))
    x, y, z = geometry.origin
    position = z + index * geometry.spacing[2]
    dataset.SOPInstanceUID = instance
    dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [_decimal(x), _decimal(y), _decimal(position)]
    dataset.SliceLocation = _decimal(position)
    dataset.PixelData = pixels.tobytes()


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters, as DICOM demands."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
