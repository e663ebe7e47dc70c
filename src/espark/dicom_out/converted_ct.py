"""A CT that was not given as DICOM, as a DICOM series: viewers can show regions only on images that they have."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from espark._version import __version__
from espark.ct.grid import index_to_point
from espark.ct.hounsfield import SIMULATED_MARK, CtVolume
from espark.dicom_out.equipment import MANUFACTURER
from espark.dicom_out.uids import uid_of
from espark.files import atomic_path
from espark.types import AnyArray

_SERIES_NUMBER = 900


def write_converted(folder: Path, ct: CtVolume, patient_id: str) -> CtVolume:
    """Write a CT as a DICOM series, one file for each slice; the same CT gets the same UIDs.

    Values are stored as whole Hounsfield units. Name, birth date and sex are empty, because they are not known.

    Args:
        folder: made when missing.
        ct: the CT.
        patient_id: the patient of the series.

    Returns:
        The CT, with the series that was written.
    """
    voxels = np.clip(np.rint(sitk.GetArrayFromImage(ct.image)), -32768, 32767).astype("<i2")
    key = hashlib.sha256(voxels.tobytes() + repr(index_to_point(ct.image).tolist()).encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    for index, pixels in enumerate(voxels):
        dataset = _instance(ct, patient_id, key, index, pixels)
        with atomic_path(folder / f"{index + 1:04d}.dcm") as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
    return replace(ct, source="dicom", series_uid=str(uid_of(patient_id, key, "series")))


def _instance(ct: CtVolume, patient_id: str, key: str, index: int, pixels: AnyArray) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid_of(patient_id, key, "image", str(index))
    dataset.StudyInstanceUID = uid_of(patient_id, key, "study")
    dataset.SeriesInstanceUID = uid_of(patient_id, key, "series")
    dataset.FrameOfReferenceUID = uid_of(patient_id, key, "frame of reference")
    dataset.PatientID = patient_id
    for name in ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
                 "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator", "KVP",
                 "AcquisitionNumber", "PatientPosition"):  # fmt: skip
        setattr(dataset, name, None)
    dataset.Modality = "CT"
    dataset.BodyPartExamined = "CHEST"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = SIMULATED_MARK if ct.simulated else MANUFACTURER
    dataset.SoftwareVersions = __version__
    dataset.SeriesNumber = _SERIES_NUMBER
    dataset.SeriesDescription = f"CT converted from {ct.source.upper()} by espark"
    dataset.DerivationDescription = f"Converted from a {ct.source.upper()} file; patient and scanner are not known."
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.InstanceNumber = index + 1
    _place(dataset, ct.image, index)
    _pixels(dataset, pixels)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset


def _place(dataset: Dataset, image: sitk.Image, index: int) -> None:
    directions = np.array(image.GetDirection()).reshape(3, 3)
    x, y, z = image.GetSpacing()
    dataset.ImageOrientationPatient = [_decimal(value) for value in (*directions[:, 0], *directions[:, 1])]
    position = image.TransformIndexToPhysicalPoint((0, 0, index))
    dataset.ImagePositionPatient = [_decimal(value) for value in position]
    dataset.PixelSpacing = [_decimal(y), _decimal(x)]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = _decimal(z)


def _pixels(dataset: Dataset, pixels: AnyArray) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    dataset.PixelData = pixels.tobytes()


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters, as DICOM requires."""
    return f"{value:.9f}"[:16].rstrip("0").rstrip(".") if abs(value) < 1e5 else f"{value:.6f}"[:16]
