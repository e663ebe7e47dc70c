"""DICOM headers: the position of each slice of a CT, and how to convert its pixels to Hounsfield units."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from espark.ct.files.origins import acquisition_of
from espark.errors import ImageError, InputError
from espark.intake.dicom_file import DAMAGED

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Slice:
    """One slice of a CT: a file, or a frame of a multi-frame file.

    Attributes:
        path: its file.
        frame: number of the frame in the file, from 0.
        rows, columns: size in pixels.
        pixel_mm: distance of neighboring pixels (along a column, along a row) in mm, in DICOM's order.
        row_axis, column_axis: unit vectors along a row and along a column, LPS.
        position: centre of the first pixel in mm, LPS.
        slope, intercept: HU = stored · slope + intercept.
        localizer: whether it is a scout view.
        original: whether it was reconstructed from measured data, and not derived from other images.
        acquisition: what distinguishes it from slices of a different acquisition (`origins.acquisition_of`).
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
    acquisition: tuple[str, ...] = ()


@contextmanager
def reading(path: Path, error: type[InputError] = ImageError) -> Iterator[None]:
    """Turn the errors of pydicom for a damaged DICOM file into an ``error``.

    Its warnings and log messages about unusual headers are hidden, because they may quote names of persons.

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
                expected="a complete DICOM file",
                action="Copy it again from the archive, or take it out of the folder if it does not belong there.",
                code="E-CT-013",
            ) from failure
        finally:
            logger.setLevel(level)


def words(value: object) -> list[str]:
    """The texts of a header value with one or several parts."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(part) for part in value]  # type: ignore[attr-defined]


def slices_of_file(path: Path, header: Dataset) -> list[Slice]:
    """The slices of a file: one slice, or one per frame.

    Raises:
        ImageError: when the header lacks a value for the geometry or for Hounsfield units.
    """
    with reading(path):
        if "ModalityLUTSequence" in header:
            raise ImageError(
                "Hounsfield units come from a look-up table", where=path, expected=_RESCALE, code="E-CT-015"
            )
        samples, meaning = header.get("SamplesPerPixel", 1), header.get("PhotometricInterpretation", "MONOCHROME2")
        if samples != 1 or meaning != "MONOCHROME2":
            expected = f"{_GRAY}, not {str(meaning)[:16]!a}"
            raise ImageError("the pixels are not gray values", where=path, expected=expected, code="E-CT-015")
        _check_bits(path, header)
        groups = header.get("PerFrameFunctionalGroupsSequence")
        if not groups:
            if int(header.get("NumberOfFrames") or 1) != 1:
                raise ImageError("a frame of the file has no position", where=path, expected=_PLACES, code="E-CT-014")
            return [_slice(path, 0, header, [header])]
        if len(groups) != int(header.get("NumberOfFrames") or 0):
            raise ImageError(
                "the numbers of frames and of their headers differ", where=path, expected=_PLACES, code="E-CT-014"
            )
        shared = list(header.get("SharedFunctionalGroupsSequence") or [])
        return [_slice(path, index, header, [group, *shared]) for index, group in enumerate(groups)]


def _check_bits(path: Path, header: Dataset) -> None:
    """Check how a pixel is stored. pydicom trusts the header and cuts off any further bits."""
    allocated, stored = int(header.get("BitsAllocated") or 0), int(header.get("BitsStored") or 0)
    if not _FEWEST_BITS <= stored <= allocated or int(header.get("HighBit", stored - 1)) != stored - 1:
        raise ImageError(
            f"a pixel uses {stored} of {allocated} bits",
            where=path,
            expected=f"at least {_FEWEST_BITS} bits, the lowest of those allocated",
            action="Export the original series from the archive.",
            code="E-CT-015",
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
            code="E-CT-015",
        )
    kind = str(_find(groups, "PixelValueTransformationSequence", "RescaleType") or "HU").upper()
    if kind not in ("HU", "US"):
        raise ImageError(
            "the values are not in Hounsfield units", where=path, expected=f"{_RESCALE}, not {kind}", code="E-CT-015"
        )
    factors = _numbers(path, [slope, intercept], "RescaleSlope and RescaleIntercept", 2)
    if not 0 < factors[0] <= 1000 or abs(factors[1]) > 1e6:
        raise ImageError(
            f"the rescale is {factors[0]:g} · stored + {factors[1]:g}", where=path, expected=_RESCALE, code="E-CT-015"
        )
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if rows < 1 or columns < 1 or not all(0.01 < mm < 20 for mm in spacing):
        raise ImageError(
            f"{rows} × {columns} pixels of {spacing[0]:g} × {spacing[1]:g} mm",
            where=path,
            expected=_GRAY,
            code="E-CT-014",
        )
    row_axis, column_axis = _unit_axes(path, axes)
    image_type = words(header.get("ImageType")) + words(_find(groups, "CTImageFrameTypeSequence", "FrameType"))
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
        acquisition=acquisition_of(header, _item(groups, "FrameContentSequence")),
    )


_FEWEST_BITS = 10
_GRAY = "gray-value CT slices with a plausible pixel size"
_PLACES = "a functional group for every frame"
_RESCALE = "a rescale slope and intercept that give Hounsfield units"


def _find(groups: list[Dataset], sequence: str, name: str) -> object:
    """A value from the first functional group that has it, or from the plain header of a single slice."""
    for group in groups:
        if name in group:
            return group[name].value
        items = group.get(sequence)
        if items and name in items[0]:
            return items[0][name].value
    return None


def _item(groups: list[Dataset], sequence: str) -> Dataset | None:
    """The item of a functional group; None when no group has it."""
    found = next((group[sequence].value for group in groups if group.get(sequence)), None)
    return found[0] if found else None


def _numbers(path: Path, value: object, name: str, count: int) -> list[float]:
    numbers = [float(part) for part in value] if value is not None else []  # type: ignore[attr-defined]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ImageError(
            f"{name} is missing" if not numbers else f"{name} does not hold {count} numbers",
            where=path,
            expected="CT slices with their position in the patient",
            action="Export the original series from the archive.",
            code="E-CT-014",
        )
    return numbers


def _unit_axes(path: Path, axes: list[float]) -> tuple[Vector, Vector]:
    """The two in-plane axes, made exactly perpendicular and of length 1 (headers are rounded)."""
    row, column = np.array(axes[:3]), np.array(axes[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(length - 1) for length in lengths) > 1e-3 or abs(row @ column) > 1e-3:
        raise ImageError(
            "the row and column directions are not perpendicular unit vectors",
            where=path,
            expected="a valid ImageOrientationPatient",
            action="Export the original series from the archive.",
            code="E-CT-014",
        )
    row = row / lengths[0]
    column = column - (row @ column) * row
    column = column / np.linalg.norm(column)
    return (float(row[0]), float(row[1]), float(row[2])), (float(column[0]), float(column[1]), float(column[2]))
