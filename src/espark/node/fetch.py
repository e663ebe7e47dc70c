"""``espark fetch``: a list of studies from a PACS as the images of a new study folder."""

from __future__ import annotations

import contextlib
import csv
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from espark.deidentify.cohort_rows import row_of, write_cohort
from espark.deidentify.deidentify_folder import finish
from espark.deidentify.key_table import KeyTable, open_key_table
from espark.deidentify.written_images import Deidentifier, SourceFile
from espark.errors import DeidentifyError, DicomError
from espark.node.inbox import Inbox
from espark.node.node_config import NodeConfig, Peer
from espark.node.peers.retrieval import find_study, retrieve
from espark.node.receiver import receiving
from espark.work.progress import Reporter
from espark.workspace.records import ItemStatus

IMAGES = "images"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class WantedStudy:
    """A row of the list: the study's own id of a patient, and one of the two ways to name the images."""

    patient_id: str
    study_uid: str
    accession_number: str


@dataclass(frozen=True)
class FetchResult:
    """What was fetched.

    Attributes:
        cohort: the ``cohort.csv`` that was written; None when one was there and was left as it is.
        fetched: number of studies.
        failed: studies that could not be fetched.
    """

    cohort: Path | None
    fetched: int
    failed: tuple[ItemStatus, ...]


def read_wanted(path: Path) -> list[WantedStudy]:
    """Read a list of studies: CSV with ``patient_id`` and ``study_uid`` or ``accession_number``.

    Raises:
        DicomError: when a column is missing, or a row names no study or a patient twice.
    """
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in csv.DictReader(handle)]
    found = [
        WantedStudy(row.get("patient_id", ""), row.get("study_uid", ""), row.get("accession_number", ""))
        for row in rows
    ]
    for number, wanted in enumerate(found, start=2):
        if not _NAME.fullmatch(wanted.patient_id) or bool(wanted.study_uid) == bool(wanted.accession_number):
            raise DicomError(
                "the row does not name a patient and one study",
                where=f"{path}, line {number}",
                expected="patient_id (letters, digits, '_', '.', '-') and either study_uid or accession_number",
            )
    ids = [wanted.patient_id for wanted in found]
    if not found or len(set(ids)) != len(ids):
        raise DicomError("the list is empty, or a patient appears twice", where=path)
    return found


class _Keeper(Protocol):
    """Where fetched images go: as they are, or without the identity of the patients."""

    incoming: Path

    def row(self, wanted: WantedStudy, study: str, inbox: Inbox) -> dict[str, str]:
        """Keep the images of a study that has come in; returns its row of ``cohort.csv``."""
        ...

    def finish(self, rows: list[dict[str, str]]) -> Path | None:
        """Write ``cohort.csv``."""
        ...


def fetch(
    config: NodeConfig, peer_name: str, listing: Path, out: Path, reporter: Reporter, *, key: Path | None = None
) -> FetchResult:
    """Get the images of a list of studies and write a ``cohort.csv`` for them.

    Studies that were fetched before are asked for again, but nothing is stored twice.

    Args:
        config: ``node.toml``, which names the peer.
        peer_name: the PACS.
        listing: CSV of `read_wanted`.
        out: the study folder.
        reporter: reports the progress.
        key: key table, with which the images are de-identified; without one they keep their headers, with the names.

    Raises:
        DicomError: when node.toml does not name the peer, or the list cannot be used.
        DeidentifyError: when the key table cannot be used.
    """
    peer = next((peer for peer in config.peers if peer.name == peer_name), None)
    if peer is None:
        known = ", ".join(peer.name for peer in config.peers) or "none"
        raise DicomError(f"node.toml names no peer {peer_name}", expected=f"one of: {known}")
    wanted = read_wanted(listing)
    out.mkdir(parents=True, exist_ok=True)
    with _keeper(out, key) as keeper:
        rows, failed = _fetched(config, peer, wanted, keeper, reporter)
        return FetchResult(keeper.finish(rows), len(rows), tuple(failed))


def _fetched(
    config: NodeConfig, peer: Peer, wanted: list[WantedStudy], keeper: _Keeper, reporter: Reporter
) -> tuple[list[dict[str, str]], list[ItemStatus]]:
    """Rows of ``cohort.csv``, and the studies that could not be fetched."""
    inbox = Inbox(keeper.incoming, config.limits.disk_gb * 1e9)
    rows, failed = [], []
    with contextlib.ExitStack() as stack:
        if peer.url is None and peer.retrieve == "move":
            stack.enter_context(receiving(config.model_copy(update={"folder": keeper.incoming.parent}), inbox))
        with reporter.track("studies", len(wanted)) as advance:
            for one in wanted:
                try:
                    rows.append(keeper.row(one, _study(one, peer, inbox, config.listener.ae_title), inbox))
                except (DicomError, DeidentifyError, OSError) as error:
                    failed.append(ItemStatus(one.patient_id, "fetch", "failed", 1, 0.0, " ".join(str(error).split())))
                advance()
    return rows, failed


@contextlib.contextmanager
def _keeper(out: Path, key: Path | None) -> Iterator[_Keeper]:
    if key is None:
        yield _AsTheyAre(out)
        return
    table = open_key_table(key, out)
    key.parent.mkdir(parents=True, exist_ok=True)
    # Beside the key: until they are de-identified, the images must not be in the study.
    with tempfile.TemporaryDirectory(dir=key.parent, prefix=".fetched-") as folder:
        yield _WithoutNames(out, table, Path(folder) / IMAGES)


class _AsTheyAre:
    def __init__(self, out: Path):
        self._out = out
        self.incoming = out / IMAGES

    def row(self, wanted: WantedStudy, study: str, inbox: Inbox) -> dict[str, str]:
        return row_of(wanted.patient_id, inbox.folder / study, self._out)

    def finish(self, rows: list[dict[str, str]]) -> Path | None:
        return write_cohort(self._out, rows)


class _WithoutNames:
    def __init__(self, out: Path, table: KeyTable, incoming: Path):
        self._images = Deidentifier(out, table)
        self.incoming = incoming

    def row(self, wanted: WantedStudy, study: str, inbox: Inbox) -> dict[str, str]:
        images, key = self._images, self._images.key
        files = [SourceFile.read(path) for path in inbox.files(study).values()]
        identities = {file.identity for file in files}
        if len(identities) != 1:
            raise DicomError("the images of the study name several patients, or none", where=wanted.patient_id)
        patient = key.patient(identities.pop(), wanted.patient_id)
        key.save()
        images.write(patient, files)
        key.save()
        inbox.remove(study, dict.fromkeys(inbox.files(study), ""), remember=False)
        if not images.folder(patient).is_dir():
            raise DicomError("no image could be de-identified", where=wanted.patient_id)
        return row_of(patient.pseudonym, images.folder(patient), images.out)

    def finish(self, rows: list[dict[str, str]]) -> Path | None:
        return finish(self._images, rows).cohort


def _study(wanted: WantedStudy, peer: Peer, inbox: Inbox, ae_title: str) -> str:
    study = wanted.study_uid or find_study(peer, wanted.accession_number, ae_title)
    retrieve(peer, study, inbox, ae_title)
    if not inbox.files(study):
        raise DicomError(f"{peer.name} sent no image", where=study)
    return study
