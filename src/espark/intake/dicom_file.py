"""DICOM files: opened when they cannot fill the memory."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from espark.errors import InputError
from espark.intake.budget import require_room
from espark.intake.streams import check_inflated

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
"""The errors that pydicom and its decoders raise for damaged files."""

KINDS = {
    CTImageStorage: "CT",
    EnhancedCTImageStorage: "CT",
    LegacyConvertedEnhancedCTImageStorage: "CT",
    VLWholeSlideMicroscopyImageStorage: "SM",
}
"""The images that espark takes from a PACS, and the modality under which it keeps them."""

_PREAMBLE = 132
_GROUP_LENGTH = 12


def open_dicom(path: Path, error: type[InputError], **options: Any) -> FileDataset:
    """Read a DICOM file as ``pydicom.dcmread`` does, after a check of what it unpacks to.

    pydicom unpacks the deflated transfer syntax at once, before anything can be seen of the file.

    Args:
        path: the file.
        error: kind of error to raise.
        options: options of ``pydicom.dcmread``.

    Raises:
        InputError: of kind ``error``, when the file unpacks to more than an image can.
        Exception: what pydicom raises for damaged files.
    """
    _check_deflated(path, error)
    return pydicom.dcmread(path, **options)


def _check_deflated(path: Path, error: type[InputError]) -> None:
    try:
        meta = read_file_meta_info(path)
    except InvalidDicomError:  # no preamble, so no transfer syntax
        return
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    length = int(meta.get("FileMetaInformationGroupLength") or 0)
    with path.open("rb") as handle:
        handle.seek(_PREAMBLE + _GROUP_LENGTH + length)
        check_inflated(handle.read(), where=path, error=error)


def check_pixels(dataset: pydicom.Dataset, where: Path, error: type[InputError], *, copies: float) -> None:
    """Refuse pixel data of more frames, rows and columns than the memory can hold.

    Args:
        dataset: a DICOM file.
        where: the file, for the message.
        error: kind of error to raise.
        copies: how often the pixels are in memory while they are used.

    Raises:
        InputError: of kind ``error``.
    """
    sides = (int(dataset.get(name) or 1) for name in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"))
    declared = max(1, int(dataset.get("BitsAllocated") or 8) // 8)
    for side in sides:
        declared *= max(1, side)
    require_room(declared, where=where, copies=copies, error=error)


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 frame declares in its own header.

    Args:
        frame: the compressed frame.

    Returns:
        None when it has no such header.
    """
    if frame[:4] == b"\xff\x4f\xff\x51":  # start of a JPEG 2000 codestream, and SIZ
        right, bottom, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
        return bottom - top, right - left
    at = 2
    while at + 9 <= len(frame) and frame[at] == _MARKER:
        kind, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if kind in _START_OF_FRAME:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        at += 1 if kind == _MARKER else 2 + length
    return None


_MARKER = 0xFF
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
"""Markers that begin a frame of JPEG, and 0xF7 of JPEG-LS."""
