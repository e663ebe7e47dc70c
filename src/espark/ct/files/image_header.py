"""What the header of a NIfTI or NRRD file declares, checked before a voxel is read."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from espark.errors import InputError
from espark.intake.budget import DEFLATE, require_room
from espark.intake.streams import BLOCK, blocks, opened

NIFTI_HEADER = 352
_NIFTI_SIZEOF = (348, 540)
"""First number of the header of NIfTI-1 and NIfTI-2."""
_MAGIC = {348: slice(344, 348), 540: slice(4, 8)}
_ONE_FILE = (b"n+1\0", b"n+2\0")
_COPIES = 4
_MOST_NRRD_HEADER = 4 << 20
_LONGEST_LINE = 500
"""ITK copies a longer line that it does not understand into a buffer that is too short, which ends the process."""
_FREE_TEXT = ("#", "content:")
_READERS = {"nifti": "NiftiImageIO", "nrrd": "NrrdImageIO"}
_FLOATS = {"16": "f4", "64": "f8"}


def header_of(path: Path, kind: str, error: type[InputError]) -> sitk.ImageFileReader:
    """A reader that has read the header of a file, and knows that its voxels are in the file and fit into memory.

    Args:
        path: the file.
        kind: ``nifti`` or ``nrrd``. The content must be of this kind too, because ITK would read any other format
            that it recognizes.
        error: kind of error to raise.

    Raises:
        InputError: of kind ``error``, when the voxels are in another file, or the header declares too much.
        RuntimeError, OSError, EOFError, ValueError: when the header cannot be read.
    """
    _check_one_file(path, kind, error)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_READERS[kind])
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    values = math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    packing = 1 if path.suffix.lower() == ".nii" else DEFLATE
    width = sitk.Image([1] * reader.GetDimension(), reader.GetPixelID()).GetSizeOfPixelComponent()
    stored = path.stat().st_size
    require_room(values * width, where=path, stored=stored, packing=packing, copies=_COPIES, error=error)
    return reader


def check_nifti_voxels(path: Path, reader: sitk.ImageFileReader) -> bytes:
    """Check what ITK does not check: it fills a cut file with zeros, and reads NaN as 0.

    Args:
        path: the file.
        reader: has read its header.

    Returns:
        The header, decompressed.

    Raises:
        EOFError, OSError, zlib.error, ValueError: when the file is cut off, damaged, or holds NaN or infinity.
    """
    count, bits = math.prod(reader.GetSize()), int(reader.GetMetaData("bitpix"))
    offset = float(reader.GetMetaData("vox_offset"))
    start = int(offset) if math.isfinite(offset) and offset else NIFTI_HEADER
    if not NIFTI_HEADER <= start <= NIFTI_HEADER + _MOST_NRRD_HEADER:
        raise ValueError(f"the voxels begin at byte {offset:g}")
    kind = _FLOATS.get(reader.GetMetaData("datatype"))
    with opened(path) as handle:
        header = b"".join(blocks(handle, start))
        order = "<" if int.from_bytes(header[:4], "little") in _NIFTI_SIZEOF else ">"
        for block in blocks(handle, count * bits // 8):
            if kind is not None and not np.isfinite(np.frombuffer(block, order + kind)).all():
                raise ValueError("some voxels do not hold a number: NaN or infinity")
        if len(handle.read(BLOCK)) == BLOCK:  # what follows may be a checksum or a remark, but no second image
            raise ValueError("the file holds more than its header declares")
    return header


def _check_one_file(path: Path, kind: str, error: type[InputError]) -> None:
    """Refuse a header that names another file, before ITK opens that file."""
    if kind == "nrrd":
        keys = [line.partition(":")[0].strip().lower() for line in _nrrd_header(path)]
        outside = "data file" in keys or "datafile" in keys
    else:
        with opened(path) as handle:
            header = handle.read(NIFTI_HEADER)
        size = next(
            (n for n in _NIFTI_SIZEOF for order in ("little", "big") if int.from_bytes(header[:4], order) == n), 0
        )
        outside = bool(size) and header[_MAGIC[size]] not in _ONE_FILE
    if outside:
        raise error(
            "the voxels are in another file, to which the header points",
            where=path,
            expected="header and voxels in one file",
            action="Save the volume as one file: .nii.gz, or .nrrd with its data in it.",
            code="E-FILE-003",
        )


def _nrrd_header(path: Path) -> list[str]:
    """The lines of the header, which ends with an empty line."""
    with path.open("rb") as handle:
        content = handle.read(_MOST_NRRD_HEADER)
    lines: list[str] = []
    for line in content.split(b"\n"):
        text = line.rstrip(b"\r").decode("latin-1")
        if not text:
            break
        if len(text) > _LONGEST_LINE and ":=" not in text and not text.startswith(_FREE_TEXT):
            raise ValueError("a line of the header is too long")
        lines.append(text)
    return lines
