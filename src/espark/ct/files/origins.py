"""The origin of an image: patient, visit and acquisition of the slices of a folder.

Data that identify a person leave this module only as a hash. Messages name series, studies and their dates.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from pydicom.dataset import Dataset

from espark.types import DoubleArray

PERSON_TAGS = ("PatientID", "PatientBirthDate", "PatientSex")
DATE_TAGS = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
ACQUISITION_TAGS = ("AcquisitionNumber", "TemporalPositionIndex", "ConvolutionKernel", "KVP", "ContrastBolusAgent")


def person_of(header: Dataset) -> str | None:
    """Hash of the PatientID, which identifies files of the same person; None when it is blank."""
    known = _clean(header, "PatientID")
    return hashlib.sha256(known.encode()).hexdigest() if known else None


def of_another_person(header: Dataset, person: str | None) -> bool:
    """Whether a file is known to belong to a different person from the one of this hash."""
    own = person_of(header)
    return own is not None and person is not None and own != person


def several_persons(headers: Iterable[Dataset]) -> bool:
    """Whether headers name different patients. Blanks, leading zeros and upper case make no difference."""
    headers = list(headers)
    return any(len({_clean(header, tag) for header in headers} - {""}) > 1 for tag in PERSON_TAGS)


def date_of(header: Dataset) -> str:
    """Date of the study such as 2024-05-31; empty when no header gives it."""
    for tag in DATE_TAGS:
        digits = _clean(header, tag)
        if len(digits) >= 8 and digits[:8].isdigit():
            return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return ""


def acquisition_of(header: Dataset, frame: Dataset | None = None) -> tuple[str, ...]:
    """What distinguishes acquisitions and reconstructions of one series: a text for each of `ACQUISITION_TAGS`.

    Args:
        header: header of the file.
        frame: FrameContentSequence of a frame of a multi-frame file.
    """
    texts = [_clean(header, tag) for tag in ACQUISITION_TAGS]
    if frame is not None:
        texts[0] = str(frame.get("FrameAcquisitionNumber") or texts[0])
        texts[1] = str(frame.get("TemporalPositionIndex") or texts[1])
    return tuple(texts)


def interleaved(acquisitions: Sequence[tuple[str, ...]]) -> str | None:
    """The header value that shows several acquisitions with alternating slices in a series.

    Acquisitions that follow one another, such as neck and then chest, are one volume. Slices that were all acquired
    separately are one volume too.

    Args:
        acquisitions: acquisitions of the slices, in the order of their position.

    Returns:
        Name of the header and its values; None when there is no sign of several.
    """
    for index, tag in enumerate(ACQUISITION_TAGS):
        values = [acquisition[index] for acquisition in acquisitions]
        kinds = sorted(set(values))
        changes = sum(first != second for first, second in itertools.pairwise(values))
        if len(kinds) > 1 and "" not in kinds and changes > len(kinds) - 1:
            return f"{tag} {', '.join(kinds[:4])}" + (" …" if len(kinds) > 4 else "")
    return None


def distances_vary(gaps: DoubleArray) -> bool:
    """Whether the slices have several distances by design, and not because a few are missing.

    A missing slice leaves a gap of two or three distances. Such gaps are few and separate.
    """
    usual = float(np.median(gaps))
    steps = gaps / usual
    wide = steps > 1.5
    whole = np.abs(steps[wide] - np.rint(steps[wide])).max(initial=0) < 0.1
    in_a_row = bool((wide[1:] & wide[:-1]).any())
    return not whole or (wide.mean() > 0.2 and wide.sum() > 2) or (in_a_row and wide.sum() > 2)


def _clean(header: Dataset, tag: str) -> str:
    return str(header.get(tag) or "").strip().casefold().lstrip("0")
