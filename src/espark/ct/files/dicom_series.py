"""The CT series of a folder of DICOM files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.uid import UID

from espark.ct.files.dicom_headers import Slice, reading, slices_of_file, words
from espark.ct.files.origins import (
    ACQUISITION_TAGS,
    DATE_TAGS,
    PERSON_TAGS,
    date_of,
    digits_only,
    person_of,
    several_persons,
)
from espark.ct.hounsfield import SIMULATED_MARK
from espark.errors import ImageError
from espark.intake.dicom_file import open_dicom
from espark.notes import Note

_CT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2",  # CT Image
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image
    "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image
}

_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "ImageType",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "ManufacturerModelName",
    "FrameOfReferenceUID",
    "LossyImageCompression",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "NumberOfFrames",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "StudyInstanceUID",
    *PERSON_TAGS,
    *DATE_TAGS,
    *ACQUISITION_TAGS,
]


_FEWEST_PARTS = 3


@dataclass(frozen=True, eq=False)
class Series:
    """A CT series.

    Attributes:
        uid: SeriesInstanceUID.
        number: SeriesNumber, which a person knows.
        description: SeriesDescription.
        frame_of_reference: FrameOfReferenceUID.
        study: StudyInstanceUID.
        date: date of the study; empty when unknown.
        person: hash of the PatientID; None when unknown.
        simulated: whether its header marks a simulated patient.
        lossy: whether its pixels have lossy compression.
        headers: its files and their headers.
    """

    uid: str
    number: str
    description: str
    frame_of_reference: str | None
    study: str
    date: str
    person: str | None
    simulated: bool
    lossy: bool
    headers: tuple[tuple[Path, Dataset], ...]

    @property
    def n_images(self) -> int:
        """Number of slices or frames according to its headers."""
        return sum(int(header.get("NumberOfFrames") or 1) for _, header in self.headers)

    @property
    def name(self) -> str:
        """Its name in messages. A damaged header may have any text there, even the name of a person."""
        number, uid = digits_only(self.number), digits_only(self.uid)
        return f"series {number or '(no number)'} ({uid or 'no UID'})"


def find_series(path: Path) -> tuple[list[Series], tuple[Note, ...]]:
    """The CT series of a folder (or of one file), and notes about other files.

    Files may be at any depth and have any name. Files that are not DICOM are ignored.

    Raises:
        ImageError: when there is no CT, or a DICOM file is damaged.
    """
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    hidden = [file for file in files if file.name.startswith(".") and file != path]  # such as ._IM0001.dcm of macOS
    grouped: dict[tuple[str, str], list[tuple[Path, Dataset]]] = {}
    others: Counter[str] = Counter()
    if hidden:
        others["hidden file"] = len(hidden)
    for file in (file for file in files if file not in set(hidden)):
        header = _header(file)
        if header is None:
            others["not DICOM"] += 1
        elif str(header.get("SOPClassUID", "")) in _CT_CLASSES:
            uid = str(header.get("SeriesInstanceUID") or "")
            number = "" if uid else str(header.get("SeriesNumber") or "")  # where anonymization removed the UID
            grouped.setdefault((uid, number), []).append((file, header))
        else:
            others[_kind(file, header)] += 1
    seen = ", ".join(f"{count} × {kind}" for kind, count in sorted(others.items()))
    if not grouped:
        raise ImageError(
            f"there is no CT image ({seen})" if seen else "the folder is empty",
            where=path,
            expected="the DICOM files of a CT series, or a NIfTI or NRRD file",
            action="Check the path." + _image_file_hint(files),
            code="E-CT-012",
        )
    remarks = (Note("N-CT-001", f"Ignored: {seen}."),) if seen else ()
    return [_series(uid, headers) for (uid, _), headers in sorted(grouped.items())], remarks


def joined_single_slices(path: Path, found: list[Series]) -> tuple[list[Series], tuple[Note, ...]]:
    """Join series of one slice each. Some programs split a volume in this way, by a separate UID for each slice.

    They are joined when study, frame of reference, number and description of the series are known and the same.

    Raises:
        ImageError: when all series have one slice and cannot be joined.
    """
    groups: dict[tuple[str, ...], list[Series]] = {}
    for series in found:
        alone = series.n_images == 1 and "LOCALIZER" not in words(series.headers[0][1].get("ImageType"))
        if alone and series.study and series.frame_of_reference and series.number:
            key = (series.study, series.frame_of_reference, series.number, series.description)
            groups.setdefault(key, []).append(series)
    kept, notes = list(found), []
    for parts in groups.values():
        if len(parts) < _FEWEST_PARTS:
            continue
        kept = [series for series in kept if series not in parts]
        kept.append(replace(parts[0], headers=tuple(header for part in parts for header in part.headers)))
        text = f"{len(parts)} series of one slice each, in the same frame of reference and study, were read as one."
        notes.append(Note("D-CT-003", text))
    if len(kept) >= _FEWEST_PARTS and all(series.n_images == 1 for series in kept):
        frames = {series.frame_of_reference for series in kept}
        same = "the same frame of reference" if len(frames) == 1 else f"{len(frames)} frames of reference"
        same = "no frame of reference" if frames == {None} else same
        raise ImageError(
            f"there are {len(kept)} series of one slice each, in {same}",
            where=path,
            expected="one SeriesInstanceUID for all slices of a volume",
            action="Export the series again, or convert it to one NIfTI file (dcm2niix -m y) and give that.",
            code="E-CT-028",
        )
    return kept, tuple(notes)


def slices_of(series: Series) -> list[Slice]:
    """Every slice of a series, in no particular order.

    Raises:
        ImageError: when a header lacks a value for the geometry or for Hounsfield units.
    """
    return [part for path, header in series.headers for part in slices_of_file(path, header)]


def _header(path: Path) -> Dataset | None:
    """Header of a DICOM file; None when the file is not DICOM."""
    with path.open("rb") as handle:
        start = handle.read(132)
    is_dicom = start[128:132] == b"DICM"
    bare = len(start) > 8 and start[:2] == b"\x08\x00" and start[3:4] == b"\x00"  # group 0008 without the preamble
    if not is_dicom and not bare:
        if path.suffix.lower() in (".dcm", ".dicom"):
            raise ImageError(
                "the file has a DICOM name but is not DICOM",
                where=path,
                action="Copy it again from the archive, or take it out of the folder if it does not belong there.",
                code="E-CT-013",
            )
        return None
    with reading(path):
        header = open_dicom(path, ImageError, stop_before_pixels=True, specific_tags=_TAGS, force=bare)
        for _ in header.iterall():  # decode every value here, where errors of damaged files are handled
            pass
        int(header.get("NumberOfFrames") or 1)
        return header


def _kind(path: Path, header: Dataset) -> str:
    """The kind of a file that is not a CT, in words."""
    sop_class = UID(str(header.get("SOPClassUID", "")), validation_mode=config.IGNORE)
    if sop_class.name == sop_class and header.get("Modality") == "CT" and "Rows" in header:
        raise ImageError(
            "the file is a CT image, but its SOP class does not exist in DICOM",
            where=path,
            expected="CT Image, Enhanced CT Image or Legacy Converted Enhanced CT Image",
            action="Copy it again from the archive, or take it out of the folder if it does not belong there.",
            code="E-CT-013",
        )
    return "DICOM of unknown kind" if sop_class.name == sop_class else sop_class.name.removesuffix(" Storage")


def _image_file_hint(files: Sequence[Path]) -> str:
    volumes = [file.name for file in files if file.name.lower().endswith((".nii", ".nii.gz", ".nrrd"))]
    return f" To read {volumes[0]}, give the path of that file." if volumes else ""


def _series(uid: str, headers: list[tuple[Path, Dataset]]) -> Series:
    path, first = headers[0]
    with reading(path):
        texts = [*words(first.get("ImageType")), first.get("ManufacturerModelName"), first.get("SeriesDescription")]
        frames = {str(header.get("FrameOfReferenceUID") or "") for _, header in headers}
        if len(frames) > 1:
            raise ImageError(
                f"the slices of series {digits_only(uid)} have {len(frames)} frames of reference",
                where=path.parent,
                expected="one frame of reference for all slices",
                action="Export the series again; it seems to be put together from several.",
                code="E-CT-029",
            )
        if several_persons(header for _, header in headers):
            raise ImageError(
                f"the slices of series {digits_only(uid)} come from several patients",
                where=path.parent,
                expected="one patient for all slices of a series",
                action="Export the series again; it seems to be put together from several.",
                code="E-CT-026",
            )
        return Series(
            uid=uid,
            number="" if first.get("SeriesNumber") is None else str(first.SeriesNumber),
            description=str(first.get("SeriesDescription") or "").strip(),
            frame_of_reference=frames.pop() or None,
            study=str(first.get("StudyInstanceUID") or ""),
            date=date_of(first),
            person=person_of(first),
            simulated=any(SIMULATED_MARK in str(text or "").upper() for text in texts),
            lossy=any(str(header.get("LossyImageCompression") or "") == "01" for _, header in headers),
            headers=tuple(headers),
        )
