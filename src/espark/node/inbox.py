"""Images that have come in, on disk: ``incoming/<study>/<CT or SM>/<series>/<instance>.dcm``."""

from __future__ import annotations

import enum
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from espark.ct.files.dicom_headers import reading, words
from espark.errors import DicomError, InputError
from espark.intake.dicom_file import KINDS, open_dicom
from espark.node.safe_files import hash_of, keep_file, total_bytes

_UID = re.compile(r"\d+(\.\d+)*")
_LONGEST_UID = 64
_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
_PHOTOGRAPHS = {"LABEL", "OVERVIEW"}


class Kept(enum.Enum):
    """What became of an instance."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """An instance with this UID and other content is already there."""
    FULL = "full"
    DROPPED = "dropped"
    """A label or overview of a slide: it may show a name, and is not needed."""


@dataclass(frozen=True)
class Instance:
    """Where an instance belongs.

    Attributes:
        study, series, uid: its UIDs.
        kind: ``CT`` or ``SM``.
        shows_label: whether it is a photograph of the whole slide or its label.
    """

    study: str
    series: str
    uid: str
    kind: str
    shows_label: bool = False


class Inbox:
    """The images of all studies.

    Args:
        folder: ``incoming`` of the node.
        most_bytes: images above this total are not accepted.
    """

    def __init__(self, folder: Path, most_bytes: float):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._most = most_bytes
        self._lock = threading.Lock()
        self._bytes = total_bytes(folder)
        self._removed: dict[str, dict[str, str]] = {}

    def know(self, study: str, instances: Mapping[str, str]) -> None:
        """Remember instances (hash by UID) that were worked and removed, so that a copy counts as a duplicate."""
        with self._lock:
            self._removed.setdefault(study, {}).update(instances)

    def keep(self, path: Path) -> tuple[Kept, Instance]:
        """Keep a DICOM file. When this returns NEW or DUPLICATE, the instance is safe on disk. Photographs of a slide's
        label are not kept.

        Raises:
            DicomError: when the file is damaged, has unusable UIDs, or is neither a CT nor a slide.
        """
        with self._lock:
            instance = identify(path)
            if instance.shows_label:
                return Kept.DROPPED, instance
            target, size = self.path(instance), path.stat().st_size
            known = self._removed.get(instance.study, {}).get(instance.uid)
            if known is None and target.exists():
                known = hash_of(target)
            if known is not None:
                return (Kept.DUPLICATE if known == hash_of(path) else Kept.CONFLICT), instance
            if self._bytes + size > self._most:
                return Kept.FULL, instance
            keep_file(target, path)
            self._bytes += size
            return Kept.NEW, instance

    def path(self, instance: Instance) -> Path:
        """Where an instance is kept."""
        return self.folder / instance.study / instance.kind / instance.series / f"{instance.uid}.dcm"

    def studies(self) -> Iterator[str]:
        """Studies with images."""
        yield from sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def files(self, study: str) -> dict[str, Path]:
        """The files of a study by SOPInstanceUID."""
        return {path.stem: path for path in sorted((self.folder / study).glob("*/*/*.dcm"))}

    def stamp(self, study: str) -> float:
        """A number that changes when an image of a study comes, without a look at every file."""
        return max((path.stat().st_mtime for path in (self.folder / study).glob("*/*")), default=0.0)

    def remove(self, study: str, worked: Mapping[str, str], *, remember: bool = True) -> bool:
        """Remove the images of a study, unless one has come that was not worked.

        Args:
            study: StudyInstanceUID.
            worked: hash by SOPInstanceUID.
            remember: whether a copy that comes later counts as a duplicate.
        """
        with self._lock:
            if set(self.files(study)) - set(worked):
                return False
            shutil.rmtree(self.folder / study)
            if remember:
                self._removed.setdefault(study, {}).update(worked)
            self._bytes = total_bytes(self.folder)
            return True


def identify(path: Path) -> Instance:
    """Read where an instance belongs.

    Raises:
        DicomError: when it cannot be read, has unusable UIDs, or is neither a CT nor a slide.
    """
    try:
        with reading(path, DicomError):
            header = open_dicom(path, DicomError, specific_tags=[*_TAGS, "ImageType"], stop_before_pixels=True)
            values = {tag: str(header.get(tag) or "") for tag in _TAGS}
            image_type = set(words(header.get("ImageType")))
    except InputError as error:
        raise DicomError("the instance is damaged") from error
    kind = KINDS.get(values["SOPClassUID"])  # type: ignore[call-overload]
    if kind is None:
        raise DicomError("the instance is neither a CT nor a whole-slide image")
    uids = [values[tag] for tag in _TAGS[1:]]
    if not all(_UID.fullmatch(uid) and len(uid) <= _LONGEST_UID for uid in uids):
        raise DicomError("the instance has a UID that DICOM does not allow")
    uid, study, series = uids
    return Instance(study, series, uid, str(kind), kind == "SM" and bool(image_type & _PHOTOGRAPHS))
