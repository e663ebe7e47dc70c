"""Whether images and what was made of them are still as `prepare` left them, without reading what did not change.

Size and time of the last change of every file are compared first. Only where they differ is the file hashed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espark.errors import EncoderError, FeatureError, InputError, MissingStepError
from espark.files import fingerprint, read_json, stamp, write_json
from espark.steps.prepare.as_prepared import is_prepared
from espark.steps.prepare.item import Item, study_items
from espark.steps.prepare.patient_ct import weights_here
from espark.tables.table import listed
from espark.workspace.layout import StudyLayout
from espark.workspace.manifest import last_entry
from espark.workspace.opened import Workspace
from espark.workspace.records import read_record, read_status

Stamps = dict[str, dict[str, str]]
"""By item, the stamp of each file: of the inputs by role, of what was written by its place in the study."""

_MOST_NAMED = 5
_ROLES = {
    "ct": "the CT",
    "esophagus_mask": "the mask of the esophagus",
    "tumor_mask": "the mask of the tumor",
    "rtstruct": "the RTSTRUCT or SEG",
    "labels": "the names of the labels",
    "slide": "the slide",
}
_WRITTEN = {
    "regions.nii.gz": "its regions",
    "ring.nii.gz": "its ring",
    "radiomics.json": "its CT features",
    "repeats.json": "its CT features on perturbed contours",
    ".h5": "its tile features",
    ".png": "its picture of what was left out",
}


@dataclass(frozen=True)
class Stale:
    """An image that is not as `prepare` left it.

    Attributes:
        patient_id: whose.
        item: ``ct``, or the name of the slide, such as ``slide-1``.
        what: what is different, in words.
    """

    patient_id: str
    item: str
    what: str

    def __str__(self) -> str:
        return f"{self.patient_id} {self.item} ({self.what})"


def read_stamps(layout: StudyLayout) -> Stamps:
    """The stamps of every item; empty where they are missing or cannot be read, because they can be made again."""
    try:
        found = read_json(layout.stamps)
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


def write_stamps(layout: StudyLayout, stamps: Stamps) -> None:
    """Write the stamps of every item."""
    write_json(layout.stamps, stamps)


def stamps_of(item: Item, inputs: Mapping[str, str]) -> Stamps:
    """The stamps of an item that is done.

    Args:
        item: the item.
        inputs: stamps of its inputs, taken before they were read.
    """
    record = read_record(item.layout, item.patient.patient_id, item.name) or {}
    outputs = {name: stamp(item.layout.root / name) for name in record.get("outputs", {})}
    return {_name(item): {**inputs, **outputs}}


def check_unchanged(workspace: Workspace) -> None:
    """Stop a step whose inputs are not as `prepare` left them.

    Raises:
        FeatureError: when images or features changed, or images are not prepared.
        MissingStepError: when `prepare` did not finish.
    """
    again = f"Run `espark prepare {workspace.root}` again: it prepares these and keeps the others."
    state = last_entry(workspace, "prepare").get("state", "done")
    if state != "done":
        found = "is still running, or was killed" if state == "running" else f"did not finish ({state})"
        raise MissingStepError(
            f"`espark prepare` {found}",
            where=workspace.root,
            action=f"Run `espark prepare {workspace.root}` again. What is done stays done.",
        )
    stale = [*stale_items(workspace), *unprepared_items(workspace), *withdrawn_cts(workspace)]
    if stale:
        noun = "image is" if len(stale) == 1 else "images are"
        raise FeatureError(
            f"{len(stale)} {noun} not as `espark prepare` left them: {listed(list(map(str, stale)), _MOST_NAMED)}",
            where=workspace.root,
            action=again,
        )
    if problem := changed_table(workspace):
        raise FeatureError(
            problem,
            where=workspace.layout.radiomics,
            action=f"Run `espark prepare {workspace.root}` again: it writes this table from what is prepared.",
        )


def stale_items(workspace: Workspace, *, thorough: bool = False) -> list[Stale]:
    """Images that changed after they were prepared, or whose features changed.

    Args:
        workspace: the opened study.
        thorough: hash every file, pictures too, even where its size and time did not change.
    """
    layout = workspace.layout
    stamps = {} if thorough else read_stamps(layout)
    known = {name: dict(part) for name, part in stamps.items()}
    found = []
    for item in study_items(workspace):
        record = read_record(layout, item.patient.patient_id, item.name)
        if record is not None:
            seen = known.setdefault(_name(item), {})
            different = list(_differences(item, record, seen, thorough=thorough))
            if different:
                found.append(Stale(item.patient.patient_id, item.name, ", ".join(different)))
    if known != stamps and not thorough:
        write_stamps(layout, known)
    return found


def unprepared_items(workspace: Workspace) -> list[Stale]:
    """Images that were never prepared, where others of their kind are; those that failed are known already."""
    failed = {(row.patient_id, row.item) for row in read_status(workspace.layout) if row.state == "failed"}
    without: dict[bool, list[Item]] = {True: [], False: []}
    prepared = set()
    for item in study_items(workspace):
        is_ct = item.slide is None
        if workspace.layout.record(item.patient.patient_id, item.name).exists():
            prepared.add(is_ct)
        elif (item.patient.patient_id, item.name) not in failed:
            without[is_ct].append(item)
    return [Stale(item.patient.patient_id, item.name, "not prepared") for is_ct in prepared for item in without[is_ct]]


def withdrawn_cts(workspace: Workspace) -> list[Stale]:
    """CTs that left cohort.csv after they were prepared, although the patient did not: the table has their features."""
    noticed = {row.patient_id for row in read_status(workspace.layout) if (row.item, row.state) == ("ct", "skipped")}
    return [
        Stale(patient.patient_id, "ct", "no longer in cohort.csv")
        for patient in workspace.cohort.used
        if patient.files.ct is None
        and patient.patient_id not in noticed
        and workspace.layout.record(patient.patient_id, "ct").exists()
    ]


def changed_table(workspace: Workspace) -> str:
    """What is wrong with the table of CT features; empty when nothing is."""
    path = workspace.layout.radiomics
    noted = last_entry(workspace, "prepare").get("outputs")
    if noted is None:  # an earlier version prepared the study
        layout = workspace.layout
        expected = any(layout.record(patient.patient_id, "ct").exists() for patient in workspace.cohort.used)
        return "the table of CT features is missing" if expected and not path.exists() else ""
    then = noted.get(str(path.relative_to(workspace.root)))
    if not path.exists():
        return "the table of CT features is missing" if then else ""
    return "" if fingerprint(path) == then else "the table of CT features was changed after `espark prepare`"


def left_behind(workspace: Workspace) -> tuple[str, ...]:
    """Patients for whom something is prepared, but whom cohort.csv does not name any more."""
    folder = workspace.layout.record("x", "ct").parents[1]
    there = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    return tuple(sorted(there - {patient.patient_id for patient in workspace.cohort}))


def _differences(item: Item, record: Mapping[str, Any], seen: dict[str, str], *, thorough: bool) -> Iterator[str]:
    """What is different about an item, in words; the stamps of what is the same are brought up to date."""
    inputs = record["inputs"] if "inputs" in record else _proven(item, record, write=not thorough)
    files = item.files()
    for role in dict.fromkeys([*inputs, *files]):
        if role not in files or not _is_same(files[role], inputs.get(role, ""), seen, role):
            yield f"{_in_words(role)} changed"
    for name, then in record["outputs"].items():
        if (thorough or not name.endswith(".png")) and not _is_same(item.layout.root / name, then, seen, name):
            there = (item.layout.root / name).exists()
            yield f"{_in_words(name)} {'changed' if there else 'are missing'}"


def _proven(item: Item, record: Mapping[str, Any], *, write: bool) -> Mapping[str, str]:
    """The hashes of the files for a record of an earlier version, which has none of them.

    Its key proves them, and then they may be written into it. Where the encoder is not on this machine, nothing can be
    proven, and the files are taken to be the same.
    """
    hashes = item.fingerprints()
    try:
        key = item.key(hashes)
    except EncoderError:
        return hashes
    if not write:
        return hashes if key == record["key"] else {}
    weights = weights_here(item.ct, item.layout.root) if item.is_segmented else ""
    return hashes if is_prepared(item, key, weights, hashes) else {}


def _is_same(path: Path, then: str, seen: dict[str, str], name: str) -> bool:
    """Whether a file has the hash that a record gives; it is read only when its stamp is another than before."""
    now = stamp(path)
    if now and then and seen.get(name) == now:
        return True
    if not now or not then or fingerprint(path) != then:
        seen.pop(name, None)
        return False
    seen[name] = now
    return True


def _in_words(name: str) -> str:
    role = name.rsplit("-", 1)[0] if name not in _ROLES else name
    if role in _ROLES:
        return _ROLES[role]
    return next((words for end, words in _WRITTEN.items() if name.endswith(end)), name)


def _name(item: Item) -> str:
    return f"{item.patient.patient_id}/{item.name}"
