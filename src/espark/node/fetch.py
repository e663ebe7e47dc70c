"""``espark fetch``: a list of studies from a PACS as the images of a new study folder."""

from __future__ import annotations

import contextlib
import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from espark.errors import DicomError
from espark.files import write_csv
from espark.node.inbox import Inbox
from espark.node.node_config import NodeConfig, Peer
from espark.node.receiver import receiving
from espark.node.retrieval import find_study, retrieve
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


def fetch(config: NodeConfig, peer_name: str, listing: Path, out: Path, reporter: Reporter) -> FetchResult:
    """Get the images of a list of studies and write a ``cohort.csv`` for them.

    Studies that were fetched before are asked for again, but nothing is stored twice. The images keep their headers,
    with the names in them.

    Args:
        config: ``node.toml``, which names the peer.
        peer_name: the PACS.
        listing: CSV of `read_wanted`.
        out: the study folder.
        reporter: reports the progress.

    Raises:
        DicomError: when node.toml does not name the peer, or the list cannot be used.
    """
    peer = next((peer for peer in config.peers if peer.name == peer_name), None)
    if peer is None:
        known = ", ".join(peer.name for peer in config.peers) or "none"
        raise DicomError(f"node.toml names no peer {peer_name}", expected=f"one of: {known}")
    wanted = read_wanted(listing)
    (out / IMAGES).mkdir(parents=True, exist_ok=True)
    inbox = Inbox(out / IMAGES, config.limits.disk_gb * 1e9)
    rows, failed = [], []
    with contextlib.ExitStack() as stack:
        if peer.url is None and peer.retrieve == "move":
            stack.enter_context(receiving(config.model_copy(update={"folder": out}), inbox))
        with reporter.track("studies", len(wanted)) as advance:
            for one in wanted:
                try:
                    rows.append(_row(one, out, _study(one, peer, inbox, config.listener.ae_title)))
                except (DicomError, OSError) as error:
                    failed.append(ItemStatus(one.patient_id, "fetch", "failed", 1, 0.0, " ".join(str(error).split())))
                advance()
    cohort = out / "cohort.csv"
    written = None if cohort.exists() or not rows else cohort
    if written is not None:
        write_csv(cohort, pd.DataFrame(rows))
    return FetchResult(written, len(rows), tuple(failed))


def _study(wanted: WantedStudy, peer: Peer, inbox: Inbox, ae_title: str) -> str:
    study = wanted.study_uid or find_study(peer, wanted.accession_number, ae_title)
    retrieve(peer, study, inbox, ae_title)
    if not inbox.files(study):
        raise DicomError(f"{peer.name} sent no image", where=study)
    return study


def _row(wanted: WantedStudy, out: Path, study: str) -> dict[str, str]:
    """A row of ``cohort.csv``; center and outcome are for the user to fill in."""
    folder = out / IMAGES / study
    slides = [min(series.glob("*.dcm")) for series in sorted((folder / "SM").glob("*"))]
    return {
        "patient_id": wanted.patient_id,
        "center": "",
        "role": "development",
        "pcr": "",
        "ct": (folder / "CT").relative_to(out).as_posix() if (folder / "CT").is_dir() else "",
        "slides": ";".join(slide.relative_to(out).as_posix() for slide in slides),
    }
