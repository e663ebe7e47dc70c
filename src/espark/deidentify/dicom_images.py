"""A CT image or a part of a DICOM slide, written without the identity of the patient."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from espark.ct.files import codecs
from espark.ct.files.dicom_headers import reading
from espark.deidentify.burnt_in import looks_like_text, reason_in_header
from espark.deidentify.headers import Cleaner
from espark.deidentify.hidden_texts import clean_frame
from espark.errors import DeidentifyError
from espark.files import atomic_path
from espark.intake.budget import require_room
from espark.intake.dicom_file import KINDS, check_pixels, open_dicom
from espark.types import AnyArray

_REWRITTEN = (DeflatedExplicitVRLittleEndian,)
_LARGEST_TABLE = 1 << 32
_COPIES = 3
_FEWEST_LETTERS = 4
_NAMES = ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "AccessionNumber",
          "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "StudyInstanceUID",
          "SeriesInstanceUID", "SOPInstanceUID")  # fmt: skip


class HeldBack(Exception):
    """An image is not written, with the reason in words that name nobody."""


def read_image(path: Path) -> Dataset:
    """Read an image with its pixels.

    Raises:
        DeidentifyError: when it is damaged, or larger than the memory.
        HeldBack: when it is of another kind, or may show a name.
    """
    with reading(path, DeidentifyError):
        require_room(path.stat().st_size, where=path, copies=_COPIES, error=DeidentifyError)
        dataset = open_dicom(path, DeidentifyError)
        if dataset.get("SOPClassUID") not in KINDS:
            raise HeldBack("it is neither a CT nor a slide")
        reason = reason_in_header(dataset)
        if reason:
            raise HeldBack(reason)
        if "PixelData" not in dataset:
            raise HeldBack("it has no pixels")
    return dataset


def shows_text(dataset: Dataset, where: Path) -> bool:
    """Whether a slice of a CT looks as if text were burnt in. Slides are not searched.

    Raises:
        DeidentifyError: when the pixels are damaged.
    """
    if KINDS[dataset.SOPClassUID] != "CT":
        return False
    codecs.register()
    with reading(where, DeidentifyError):
        check_pixels(dataset, where, DeidentifyError, copies=_COPIES)
        pixels = pixel_array(dataset)
        return any(looks_like_text(picture) for picture in pixels.reshape(-1, *pixels.shape[-2:]))


def write_clean(dataset: Dataset, source: Path, target: Path, cleaner: Cleaner) -> None:
    """Clean an image in place and write it.

    Args:
        dataset: from `read_image`.
        source: its file, for errors.
        target: where it is written.
        cleaner: for its patient.

    Raises:
        DeidentifyError: when it is damaged.
        HeldBack: when an identifier of the patient is still somewhere in the file.
    """
    with reading(source, DeidentifyError):
        needles = _identifiers(dataset)
        syntax = dataset.file_meta.TransferSyntaxUID
        frames = _clean_frames(dataset) if syntax.is_encapsulated else None
        if frames is None:
            dataset.PixelData = _without_rest(dataset)
        cleaner.clean(dataset)
        if frames is not None:
            _put_frames(dataset, frames)
        dataset.file_meta = _meta(dataset, ExplicitVRLittleEndian if syntax in _REWRITTEN else syntax)
        dataset.preamble = bytes(128)
        with atomic_path(target, flush=False) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
            content = temporary.read_bytes()
            if any(needle in content for needle in needles):
                raise HeldBack("a name or number of the patient is still in it, in an attribute that espark keeps")


def _meta(dataset: Dataset, syntax: UID) -> FileMetaDataset:
    """A new file header: the old one may name the sender."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    return meta


def _clean_frames(dataset: Dataset) -> list[bytes]:
    """Compressed frames without texts."""
    tables = [dataset.get(name) for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")]
    frames = generate_frames(
        dataset.PixelData,
        number_of_frames=int(dataset.get("NumberOfFrames") or 1),
        extended_offsets=(tables[0], tables[1]) if all(tables) else None,
    )
    return [clean_frame(frame) for frame in frames]


def _put_frames(dataset: Dataset, frames: list[bytes]) -> None:
    if sum(map(len, frames)) + 8 * len(frames) < _LARGEST_TABLE:
        dataset.PixelData = encapsulate(frames)
    else:
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(
            frames
        )
    dataset["PixelData"].is_undefined_length = True


def _without_rest(dataset: Dataset) -> bytes:
    """Pixels without bytes after the last one, and without bits that no pixel uses; both have held text."""
    sides = [int(dataset.get(name) or 1) for name in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")]
    allocated = int(dataset.BitsAllocated)
    length = math.prod(sides) * allocated // 8
    if len(dataset.PixelData) < length:
        raise ValueError("fewer pixels than the header declares")
    content = bytes(dataset.PixelData[:length])
    stored = int(dataset.get("BitsStored") or allocated)
    if stored < allocated and allocated in (8, 16, 32):
        content = _without_unused_bits(content, allocated, stored, signed=bool(dataset.get("PixelRepresentation")))
    return content + bytes(len(content) % 2)


def _without_unused_bits(content: bytes, allocated: int, stored: int, *, signed: bool) -> bytes:
    values: AnyArray = np.frombuffer(content, dtype=f"<{'i' if signed else 'u'}{allocated // 8}")
    unused = allocated - stored
    # To the left and back: the highest bit that is used fills the unused ones of a signed number, zeros the others.
    return bytes(((values << unused) >> unused).astype(values.dtype).tobytes())


def _identifiers(dataset: Dataset) -> list[bytes]:
    """Names and numbers of the patient, as they could be found in a file."""
    charset = dataset.get("SpecificCharacterSet")
    texts = {part for name in _NAMES for value in _texts(dataset, name) for part in (value, *value.split("^"))}
    encodings = ("utf-8", "latin-1") if charset else ("utf-8",)
    wanted = {text.strip() for text in texts}
    return [text.encode(encoding, "ignore") for text in wanted if len(text) > _FEWEST_LETTERS for encoding in encodings]


def _texts(dataset: Dataset, name: str) -> list[str]:
    if name not in dataset or dataset[name].is_empty:
        return []
    element = dataset[name]
    return [str(part) for part in (element.value if element.VM > 1 else [element.value])]
