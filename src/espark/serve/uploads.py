"""Files of a new patient that arrive from the browser: bounded, renamed, and unpacked without trusting the archive."""

from __future__ import annotations

import re
import secrets
import shutil
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from espark.ct.files.nifti import image_file_kind
from espark.errors import InputError
from espark.files import write_json
from espark.serve.workbench import NewPatientFiles

MOST_FILES = 5000
MOST_BYTES = 8 << 30
_MOST_RATIO = 200  # a DICOM of air alone shrinks to a hundredth
_RATIO_COUNTS_FROM = 1 << 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = re.compile(r"[0-9a-f]{32}")
_SLIDES = frozenset({".svs", ".tif", ".tiff", ".ndpi", ".scn", ".mrxs", ".bif", ".svslide", ".vms"})
_KINDS = ("ct", "slide", "tumor_mask", "esophagus_mask")


@dataclass(frozen=True)
class Upload:
    """The files of one new patient, as long as they are uploaded.

    Attributes:
        folder: where they arrive.
    """

    folder: Path

    @property
    def size(self) -> int:
        """Bytes that arrived so far."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def listed(self) -> list[tuple[str, Path]]:
        """Every file with its kind: ``ct``, ``slide``, ``tumor_mask`` or ``esophagus_mask``."""
        return [(kind, path) for kind in _KINDS for path in sorted((self.folder / kind).rglob("*")) if path.is_file()]


def begin(folder: Path) -> tuple[str, Upload]:
    """A new upload, with the number under which its files arrive."""
    number = secrets.token_hex(16)
    upload = Upload(folder / number)
    upload.folder.mkdir(parents=True)
    return number, upload


def find(folder: Path, number: str) -> Upload:
    """An upload that was begun.

    Raises:
        InputError: when there is none with this number.
    """
    place = folder / number
    if not _NUMBER.fullmatch(number) or not place.is_dir():
        raise InputError("this upload was not begun, or has ended", action="Begin again.")
    return Upload(place)


async def receive(upload: Upload, kind: str, name: str, content: AsyncIterator[bytes]) -> int:
    """Store one file; its name only gives the ending, so that it cannot lead anywhere.

    Args:
        upload: to which it belongs.
        kind: ``ct``, ``slide``, ``tumor_mask`` or ``esophagus_mask``.
        name: its name on the person's machine.
        content: its bytes.

    Returns:
        Its size in bytes.

    Raises:
        InputError: when there are too many files, or too large ones.
    """
    if kind not in _KINDS:
        raise InputError("the kind of file is not known", expected=", ".join(_KINDS))
    there = upload.listed()
    if len(there) >= MOST_FILES:
        raise InputError(f"more than {MOST_FILES} files were given", action="Give one CT series as a zip file.")
    left = MOST_BYTES - upload.size
    target = upload.folder / kind / f"{len(there) + 1:05d}{_ending(name)}"
    target.parent.mkdir(exist_ok=True)
    size = 0
    try:
        with target.open("wb") as handle:
            async for part in content:
                size += len(part)
                if size > left:
                    raise InputError(f"the files are larger than {MOST_BYTES >> 30} GiB together")
                handle.write(part)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if target.suffix == ".zip":
        _unpack(target, left)
    return size


def _ending(name: str) -> str:
    """The ending of a file's name that decides how it is read; empty for any other, such as DICOM."""
    lower = name.lower()
    known = [".nii.gz", ".nii", ".nrrd", ".zip", *_SLIDES]
    return next((ending for ending in known if lower.endswith(ending)), ".dcm" if lower.endswith(".dcm") else "")


def _unpack(archive: Path, left: int) -> None:
    """Unpack an archive beside it. Names in it are not used; links, bombs and archives in it are refused."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check_archive(members, left)
            for number, member in enumerate(members, start=1):
                target = archive.with_name(f"{archive.stem}-{number:05d}{_ending(member.filename)}")
                _extract(opened, member, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise InputError("the zip file cannot be unpacked", action="Pack it again, without a password.") from error
    finally:
        archive.unlink(missing_ok=True)


def _check_archive(members: list[zipfile.ZipInfo], left: int) -> None:
    packed, unpacked = sum(one.compress_size for one in members), sum(one.file_size for one in members)
    if len(members) > MOST_FILES:
        raise InputError(f"the zip file holds more than {MOST_FILES} files")
    if unpacked > left or (unpacked > _RATIO_COUNTS_FROM and unpacked > _MOST_RATIO * max(1, packed)):
        raise InputError("the zip file unpacks to more than it may", expected=f"at most {MOST_BYTES >> 30} GiB")
    for one in members:
        if (one.external_attr >> 16) & 0o170000 == 0o120000:
            raise InputError("the zip file holds a link", action="Pack the files themselves.")
        if one.filename.lower().endswith(".zip"):
            raise InputError("the zip file holds another zip file", action="Unpack it first.")


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one file, and not more of it than the archive's list says."""
    written = 0
    with opened.open(member) as source, target.open("wb") as handle:
        while block := source.read(1 << 20):
            written += len(block)
            if written > member.file_size:
                raise InputError("the zip file holds more than its list says")
            handle.write(block)


def finish(
    upload: Upload, patients: Path, patient_id: str, taken: set[str], clinical: dict[str, str], mpp: float | None
) -> None:
    """Make a new patient of what was uploaded.

    Args:
        upload: the files.
        patients: folder of the new patients.
        patient_id: the study's own id of the patient.
        taken: ids that are in use.
        clinical: clinical values as text, by name of the column.
        mpp: µm per pixel of the slides, where their files do not give it.

    Raises:
        InputError: when the id cannot be used, or there is nothing to look at.
    """
    if not _ID.fullmatch(patient_id):
        raise InputError(
            "this patient id cannot be used", expected="letters, digits, dot, dash and underscore, at most 64",
            action="Use the study's own id, not a name.",
        )  # fmt: skip
    if patient_id in taken:
        raise InputError(f"there is a patient {patient_id} already", action="Choose another id.")
    files = _sorted_files(upload, clinical, mpp)
    patients.mkdir(parents=True, exist_ok=True)
    write_json(upload.folder / "patient.json", files.model_dump(mode="json"))
    upload.folder.rename(patients / patient_id)


def _sorted_files(upload: Upload, clinical: dict[str, str], mpp: float | None) -> NewPatientFiles:
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for kind, path in upload.listed():
        found[kind].append(path.relative_to(upload.folder).as_posix())
    if not found["ct"] and not found["slide"]:
        raise InputError("nothing to look at was given", expected="a CT, slides or both")
    volumes = [name for name in found["ct"] if image_file_kind(Path(name)) is not None]
    if volumes and len(found["ct"]) > 1:
        raise InputError("more than one CT was given", expected="one NIfTI or NRRD file, or one DICOM series")
    return NewPatientFiles(
        ct=(volumes[0] if volumes else "ct") if found["ct"] else None,
        slides=tuple(found["slide"]),
        esophagus_mask=next(iter(found["esophagus_mask"]), None),
        tumor_mask=next(iter(found["tumor_mask"]), None),
        slide_mpp=mpp,
        clinical=clinical,
    )


def remove_abandoned(folder: Path) -> None:
    """Remove uploads that an earlier run of the workbench left behind."""
    if folder.is_dir():
        shutil.rmtree(folder)
