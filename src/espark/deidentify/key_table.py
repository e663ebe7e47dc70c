"""The key table: the only file that leads from a de-identified study back to its patients."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from espark.errors import DeidentifyError

_VERSION = 1
_FEWEST_DAYS, _MOST_DAYS = 365, 3650
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PSEUDONYM_LETTERS = 8


@dataclass(frozen=True)
class PatientKey:
    """One patient of the table.

    Attributes:
        pseudonym: id in the de-identified study.
        identity: id in the hospital: PatientID with its issuer, or else a study or the name of a folder.
        days: how many days all dates of the patient were moved; negative is into the past.
    """

    pseudonym: str
    identity: str
    days: int


@dataclass
class KeyTable:
    """Who is who. The same input always gets the same replacement, also in a later run with the same table.

    Attributes:
        path: where it is kept.
        secret: from which the replacements are calculated.
        patients: by identity.
        originals: original by replacement, for UIDs, identifiers of specimens, and files.
    """

    path: Path
    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    patients: dict[str, PatientKey] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)

    def patient(self, identity: str, pseudonym: str | None = None) -> PatientKey:
        """The entry of a patient, made when it is new.

        Args:
            identity: id in the hospital.
            pseudonym: id in the study; None for one that is drawn by chance.

        Raises:
            DeidentifyError: when the patient has another pseudonym already, or it belongs to another patient.
        """
        known = self.patients.get(identity)
        if known is None:
            taken = {patient.pseudonym for patient in self.patients.values()}
            if pseudonym in taken:
                raise _contradiction(self.path, f"{pseudonym} belongs to another patient")
            known = PatientKey(pseudonym or _drawn(taken), identity, self._days(identity))
            self.patients[identity] = known
        if pseudonym not in (None, known.pseudonym):
            raise _contradiction(self.path, f"the patient of {pseudonym} is {known.pseudonym} already")
        return known

    def uid(self, original: str) -> str:
        """The replacement of a UID, under the root for UUIDs (2.25)."""
        number = uuid.UUID(bytes=self._hash("uid", original)[:16], version=4).int
        return self._kept(f"2.25.{number}", original)

    def identifier(self, original: str) -> str:
        """The replacement of an identifier that must stay distinct, such as that of a specimen."""
        return self._kept(f"ID{self._hash('identifier', original).hex()[:12].upper()}", original)

    def file(self, written: str, original: str) -> None:
        """Remember from which file a written file was made."""
        self._kept(written, original)

    def save(self) -> None:
        """Write the table so that only its owner can read it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "version": _VERSION,
            "secret": self.secret,
            "patients": [asdict(patient) for patient in self.patients.values()],
            "originals": self.originals,
        }
        temporary = self.path.with_name(f".partial-{os.getpid()}-{self.path.name}")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _days(self, identity: str) -> int:
        drawn = int.from_bytes(self._hash("days", identity)[:8], "big")
        return -(_FEWEST_DAYS + drawn % (_MOST_DAYS - _FEWEST_DAYS + 1))

    def _hash(self, kind: str, original: str) -> bytes:
        return hmac.digest(bytes.fromhex(self.secret), f"{kind}\0{original}".encode(), hashlib.sha256)

    def _kept(self, replacement: str, original: str) -> str:
        self.originals[replacement] = original
        return replacement


def open_key_table(path: Path, study: Path) -> KeyTable:
    """Read a key table, or begin a new one.

    Args:
        path: the table.
        study: the folder of the de-identified study, in which the table must not be.

    Raises:
        DeidentifyError: when the table is in the study, can be read by others, or is damaged.
    """
    if path.resolve().is_relative_to(study.resolve()):
        raise DeidentifyError(
            "the key table would be in the de-identified study",
            where=path,
            expected="a place that is not passed on with the study",
            code="E-STUDY-020",
        )
    if not path.exists():
        return KeyTable(path)
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        raise DeidentifyError(
            "other users of this machine can read the key table",
            where=path,
            expected="a file that only its owner can read",
            action=f"Run `chmod 600 {path}`.",
            code="E-STUDY-021",
        )
    try:
        return _read(path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeidentifyError("this is not a key table of espark", where=path, code="E-STUDY-022") from error


def _read(path: Path) -> KeyTable:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content["version"] != _VERSION:
        raise ValueError("unknown version")
    patients = [PatientKey(**patient) for patient in content["patients"]]
    bytes.fromhex(content["secret"])
    table = KeyTable(path, content["secret"], {patient.identity: patient for patient in patients})
    table.originals.update(content["originals"])
    return table


def _drawn(taken: set[str]) -> str:
    """A new pseudonym. It is drawn by chance, because numbers in order would show who came first."""
    while True:
        drawn = f"P{secrets.token_hex(_PSEUDONYM_LETTERS // 2).upper()}"
        if drawn not in taken:
            return drawn


def _contradiction(path: Path, found: str) -> DeidentifyError:
    return DeidentifyError(
        f"the key table contradicts the list: {found}",
        where=path,
        action="Use the same id for the patient as in earlier runs, or another key table.",
        code="E-STUDY-023",
    )
