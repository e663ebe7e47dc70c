"""DICOM headers: which files of a folder are CT, and where each of their slices lies."""

from __future__ import annotations

import logging
import struct
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID

from espark.ct.hounsfield import SIMULATED_MARK
from espark.errors import ImageError, InputError
from espark.notes import Note

Vector = tuple[float, float, float]

DAMAGED = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    AssertionError,
    MemoryError,
    struct.error,
)
"""What pydicom and its decoders raise on damaged files."""

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
]


@dataclass(frozen=True)
class Slice:
    """One slice of a CT: a file, or a frame of a multi-frame file.

    Attributes:
        path: its file.
        frame: number of the frame in the file, from 0.
        rows, columns: size in pixels.
        pixel_mm: distance of neighbours (along a column, along a row) in mm, in DICOM's order.
        row_axis, column_axis: unit vectors along a row and along a column, LPS.
        position: centre of the first pixel in mm, LPS.
        slope, intercept: HU = stored · slope + intercept.
        localizer: whether it is a scout view.
        original: whether it was reconstructed from the measured data rather than derived from other images.
    """

    path: Path
    frame: int
    rows: int
    columns: int
    pixel_mm: tuple[float, float]
    row_axis: Vector
    column_axis: Vector
    position: Vector
    slope: float
    intercept: float
    localizer: bool
    original: bool


@dataclass(frozen=True)
class Series:
    """A CT series.

    Attributes:
        uid: SeriesInstanceUID.
        number: SeriesNumber, by which a person knows it.
        description: SeriesDescription, the same.
        frame_of_reference: FrameOfReferenceUID.
        simulated: whether its header says that the patient is simulated.
        lossy: whether its pixels have been compressed with loss.
        headers: its files and their headers.
    """

    uid: str
    number: str
    description: str
    frame_of_reference: str | None
    simulated: bool
    lossy: bool
    headers: tuple[tuple[Path, Dataset], ...]

    @property
    def n_images(self) -> int:
        """Number of slices or frames that its headers announce."""
        return sum(int(header.get("NumberOfFrames") or 1) for _, header in self.headers)

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"series {self.number or '(no number)'} ({self.uid})"


def find_series(path: Path) -> tuple[list[Series], tuple[Note, ...]]:
    """The CT series of a folder (or of one file), and remarks on what else lies there.

    Files may lie at any depth and be called anything. Files that are not DICOM are left aside.

    Raises:
        ImageError: when there is no CT, or a DICOM file is damaged.
    """
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    grouped: dict[str, list[tuple[Path, Dataset]]] = {}
    others: Counter[str] = Counter()
    for file in files:
        header = _header(file)
        if header is None:
            others["not DICOM"] += 1
        elif str(header.get("SOPClassUID", "")) in _CT_CLASSES:
            grouped.setdefault(str(header.get("SeriesInstanceUID", "")), []).append((file, header))
        else:
            others[_kind(file, header)] += 1
    seen = ", ".join(f"{count} × {kind}" for kind, count in sorted(others.items()))
    if not grouped:
        raise ImageError(
            f"there is no CT image ({seen})" if seen else "the folder is empty",
            where=path,
            expected="the DICOM files of a CT series, or a NIfTI or NRRD file",
            action="Check the path." + _image_file_hint(files),
        )
    remarks = (Note("N-CT-001", f"Left aside: {seen}."),) if seen else ()
    return [_series(uid, headers) for uid, headers in sorted(grouped.items())], remarks


def slices_of(series: Series) -> list[Slice]:
    """Every slice of a series, in no particular order.

    Raises:
        ImageError: when a header lacks what the geometry or Hounsfield units need.
    """
    return [part for path, header in series.headers for part in _slices(path, header)]


@contextmanager
def reading(path: Path, error: type[InputError] = ImageError) -> Iterator[None]:
    """Turn whatever a damaged DICOM file makes pydicom raise into an ``error``.

    Its remarks on odd headers are kept quiet, in warnings and in the log, for they quote values such as names.

    Raises:
        InputError: of kind ``error``, when the block raises one of ``DAMAGED``.
    """
    logger = logging.getLogger("pydicom")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        except DAMAGED as failure:
            raise error(
                f"the DICOM file is damaged or unusual ({type(failure).__name__})",
                where=path,
                expected="a DICOM file that can be read to its end",
                action="Copy it again from the archive, or take it out of the folder if it does not belong there.",
            ) from failure
        finally:
            logger.setLevel(level)


def _header(path: Path) -> Dataset | None:
    """Header of a DICOM file; None when the file is not DICOM."""
    with path.open("rb") as handle:
        start = handle.read(132)
    is_dicom = start[128:132] == b"DICM"
    bare = len(start) > 8 and start[:2] == b"\x08\x00" and start[3:4] == b"\x00"  # group 0008 without the preamble
    if not is_dicom and not bare:
        if path.suffix.lower() in (".dcm", ".dicom"):
            raise ImageError(
                "the file is called DICOM but is not",
                where=path,
                action="Copy it again from the archive, or take it out of the folder if it does not belong there.",
            )
        return None
    with reading(path):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=bare)
        for _ in header.iterall():  # decodes every value here, where damage is expected
            pass
        int(header.get("NumberOfFrames") or 1)
        return header


def _kind(path: Path, header: Dataset) -> str:
    """What a file that is not CT is, in words."""
    sop_class = UID(str(header.get("SOPClassUID", "")), validation_mode=config.IGNORE)
    if sop_class.name == sop_class and header.get("Modality") == "CT" and "Rows" in header:
        raise ImageError(
            "the file is a CT image, but of a SOP class that DICOM does not know",
            where=path,
            expected="CT Image, Enhanced CT Image or Legacy Converted Enhanced CT Image",
            action="Copy it again from the archive, or take it out of the folder if it does not belong there.",
        )
    return "DICOM of unknown kind" if sop_class.name == sop_class else sop_class.name.removesuffix(" Storage")


def _image_file_hint(files: Sequence[Path]) -> str:
    volumes = [file.name for file in files if file.name.lower().endswith((".nii", ".nii.gz", ".nrrd"))]
    return f" To read {volumes[0]}, give the path of that file." if volumes else ""


def _series(uid: str, headers: list[tuple[Path, Dataset]]) -> Series:
    path, first = headers[0]
    with reading(path):
        texts = [*_words(first.get("ImageType")), first.get("ManufacturerModelName"), first.get("SeriesDescription")]
        frames = {str(header.get("FrameOfReferenceUID") or "") for _, header in headers}
        if len(frames) > 1:
            raise ImageError(
                f"the slices of series {uid} have {len(frames)} frames of reference",
                where=path.parent,
                expected="one frame of reference for all slices",
                action="Export the series again; it seems to be pieced together from several.",
            )
        return Series(
            uid=uid,
            number="" if first.get("SeriesNumber") is None else str(first.SeriesNumber),
            description=str(first.get("SeriesDescription") or "").strip(),
            frame_of_reference=frames.pop() or None,
            simulated=any(SIMULATED_MARK in str(text or "").upper() for text in texts),
            lossy=any(str(header.get("LossyImageCompression") or "") == "01" for _, header in headers),
            headers=tuple(headers),
        )


def _words(value: object) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(part) for part in value]  # type: ignore[attr-defined]


def _slices(path: Path, header: Dataset) -> list[Slice]:
    with reading(path):
        if "ModalityLUTSequence" in header:
            raise ImageError("Hounsfield units come from a look-up table", where=path, expected=_RESCALE)
        samples, meaning = header.get("SamplesPerPixel", 1), header.get("PhotometricInterpretation", "MONOCHROME2")
        if samples != 1 or meaning != "MONOCHROME2":
            raise ImageError(f"the pixels are not gray values ({str(meaning)[:16]!a})", where=path, expected=_GRAY)
        _check_bits(path, header)
        groups = header.get("PerFrameFunctionalGroupsSequence")
        if not groups:
            if int(header.get("NumberOfFrames") or 1) != 1:
                raise ImageError("the file has several frames but no place for each", where=path, expected=_PLACES)
            return [_slice(path, 0, header, [header])]
        if len(groups) != int(header.get("NumberOfFrames") or 0):
            raise ImageError("the number of frames and of their headers differ", where=path, expected=_PLACES)
        shared = list(header.get("SharedFunctionalGroupsSequence") or [])
        return [_slice(path, index, header, [group, *shared]) for index, group in enumerate(groups)]


def _check_bits(path: Path, header: Dataset) -> None:
    """Check how a pixel is stored: pydicom believes what the header says and cuts off the bits beyond it."""
    allocated, stored = int(header.get("BitsAllocated") or 0), int(header.get("BitsStored") or 0)
    if not _FEWEST_BITS <= stored <= allocated or int(header.get("HighBit", stored - 1)) != stored - 1:
        raise ImageError(
            f"a pixel has {stored} of {allocated} bits",
            where=path,
            expected=f"at least {_FEWEST_BITS} bits, the lowest of those allocated",
            action="Export the original series from the archive.",
        )


def _slice(path: Path, frame: int, header: Dataset, groups: list[Dataset]) -> Slice:
    spacing = _numbers(path, _find(groups, "PixelMeasuresSequence", "PixelSpacing"), "PixelSpacing", 2)
    axes = _numbers(
        path, _find(groups, "PlaneOrientationSequence", "ImageOrientationPatient"), "ImageOrientationPatient", 6
    )
    position = _numbers(path, _find(groups, "PlanePositionSequence", "ImagePositionPatient"), "ImagePositionPatient", 3)
    slope = _find(groups, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = _find(groups, "PixelValueTransformationSequence", "RescaleIntercept")
    if slope is None or intercept is None:
        raise ImageError(
            "RescaleSlope or RescaleIntercept is missing",
            where=path,
            expected=_RESCALE,
            action="Export the original series from the archive.",
        )
    kind = str(_find(groups, "PixelValueTransformationSequence", "RescaleType") or "HU").upper()
    if kind not in ("HU", "US"):
        raise ImageError(f"the values are in {kind}, not in Hounsfield units", where=path, expected=_RESCALE)
    factors = _numbers(path, [slope, intercept], "RescaleSlope and RescaleIntercept", 2)
    if not 0 < factors[0] <= 1000 or abs(factors[1]) > 1e6:
        raise ImageError(f"the rescale is {factors[0]:g} · stored + {factors[1]:g}", where=path, expected=_RESCALE)
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if rows < 1 or columns < 1 or not all(0.01 < mm < 20 for mm in spacing):
        raise ImageError(f"{rows} × {columns} pixels of {spacing[0]:g} × {spacing[1]:g} mm", where=path, expected=_GRAY)
    row_axis, column_axis = _unit_axes(path, axes)
    image_type = _words(header.get("ImageType")) + _words(_find(groups, "CTImageFrameTypeSequence", "FrameType"))
    return Slice(
        path=path,
        frame=frame,
        rows=rows,
        columns=columns,
        pixel_mm=(spacing[0], spacing[1]),
        row_axis=row_axis,
        column_axis=column_axis,
        position=(position[0], position[1], position[2]),
        slope=factors[0],
        intercept=factors[1],
        localizer="LOCALIZER" in image_type,
        original="SECONDARY" not in image_type,
    )


_FEWEST_BITS = 10
_GRAY = "gray-value CT slices with a plausible pixel size"
_PLACES = "a functional group for every frame"
_RESCALE = "a rescale slope and intercept that lead to Hounsfield units"


def _find(groups: list[Dataset], sequence: str, name: str) -> object:
    """A value from the first functional group that has it, or from the plain header of a single slice."""
    for group in groups:
        if name in group:
            return group[name].value
        items = group.get(sequence)
        if items and name in items[0]:
            return items[0][name].value
    return None


def _numbers(path: Path, value: object, name: str, count: int) -> list[float]:
    numbers = [float(part) for part in value] if value is not None else []  # type: ignore[attr-defined]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ImageError(
            f"{name} is missing" if not numbers else f"{name} does not hold {count} numbers",
            where=path,
            expected="CT slices that say where they lie in the patient",
            action="Export the original series from the archive.",
        )
    return numbers


def _unit_axes(path: Path, axes: list[float]) -> tuple[Vector, Vector]:
    """The two in-plane axes, made exactly perpendicular and of length 1 (headers round)."""
    row, column = np.array(axes[:3]), np.array(axes[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(length - 1) for length in lengths) > 1e-3 or abs(row @ column) > 1e-3:
        raise ImageError(
            "the row and column directions are not perpendicular unit vectors",
            where=path,
            expected="a valid ImageOrientationPatient",
            action="Export the original series from the archive.",
        )
    row = row / lengths[0]
    column = column - (row @ column) * row
    column = column / np.linalg.norm(column)
    return (float(row[0]), float(row[1]), float(row[2])), (float(column[0]), float(column[1]), float(column[2]))
