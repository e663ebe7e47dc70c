"""Every file of tile features made elsewhere: opened, read to its end, and compared with the others."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from espark.errors import EsparkError, FeatureError, InputError
from espark.notes import Note
from espark.steps.check.result import Findings, Verdict
from espark.steps.prepare.imported_slides import (
    FeatureFile,
    FeatureFiles,
    TileSource,
    disagreements,
    find_feature_files,
)
from espark.tables.table import listed
from espark.work.workers import side_by_side
from espark.workspace.opened import Workspace

_MOST_NAMES = 60


@dataclass(frozen=True)
class _Read:
    patient_id: str
    notes: tuple[Note, ...] = ()
    tiles: int = 0
    source: TileSource | None = None
    content: str = ""
    problem: InputError | None = None


def check_imported_slides(workspace: Workspace, *, workers: int = 1) -> Findings:
    """Read every file of the folders that study.toml names.

    Args:
        workspace: the opened study.
        workers: processes that read side by side.
    """
    if not workspace.config.slide_features:
        return Findings()
    found = find_feature_files(workspace)
    read = list(side_by_side(_read, found.files, workers=workers))
    sources = [part.source for part in read if part.source is not None]
    by_patient: dict[str, list[_Read]] = defaultdict(list)
    for part in read:
        by_patient[part.patient_id].append(part)
    return Findings(
        verdicts=tuple(_verdict(patient_id, parts) for patient_id, parts in by_patient.items()),
        problems=(*found.problems, *disagreements(sources), *_copies(read)),
        account=(_account(found, read, sources),),
        notes=tuple(_notes(found, sources)),
    )


def _read(file: FeatureFile) -> _Read:
    patient_id = file.patient.patient_id
    try:
        features = file.read()
    except (EsparkError, OSError) as error:
        known = error if isinstance(error, InputError) else FeatureError(str(error), where=file.path)
        return _Read(patient_id, problem=known.at(f"patient {patient_id}, {known.where}"))
    content = hashlib.sha256(features.features.tobytes() + features.coords.tobytes()).hexdigest()
    notes = tuple(Note(note.code, f"{features.source}: {note.text}") for note in features.notes)
    return _Read(patient_id, notes, len(features), TileSource.of(patient_id, features), content)


def _verdict(patient_id: str, parts: Sequence[_Read]) -> Verdict:
    problems = tuple(part.problem for part in parts if part.problem is not None)
    return Verdict(patient_id, problems, tuple(note for part in parts for note in part.notes))


def _copies(read: Sequence[_Read]) -> Iterator[FeatureError]:
    by_content: dict[str, list[TileSource]] = defaultdict(list)
    for part in read:
        if part.source is not None:
            by_content[part.content].append(part.source)
    for sources in by_content.values():
        if len(sources) > 1:
            named = ", ".join(f"{source.patient_id} ({source.source})" for source in sources)
            yield FeatureError(
                f"the same features lie in several files: {named}", expected="a slide belongs to one patient, once",
                action="Find out whose slide it is.", code="E-FEATURE-013",
            )  # fmt: skip


def _account(found: FeatureFiles, read: Sequence[_Read], sources: Sequence[TileSource]) -> str:
    patients = len({part.patient_id for part in read})
    sizes = sorted({f"{source.tile_um:.4g}" for source in sources if source.tile_um is not None})
    wide = f" of {listed(sizes, 5)} µm" if sizes else " of unknown size"
    total = patients + len(found.without)
    tiles = sum(part.tiles for part in read)
    return f"slide features: {len(read)} files, {patients} of {total} patients have one, {tiles} tiles{wide}"


def _notes(found: FeatureFiles, sources: Sequence[TileSource]) -> Iterator[Note]:
    if found.without:
        yield Note("N-FEATURE-001", f"Patients without tile features: {listed(found.without, _MOST_NAMES)}.")
    if found.nobodys:
        yield Note(
            "N-FEATURE-002", f"Files of tile features that belong to no patient in cohort.csv: {listed(found.nobodys)}."
        )
    unknown = [source.source for source in sources if source.tile_um is None]
    if unknown:
        yield Note("D-FEATURE-001", f"How large the tiles are in µm is not known of {listed(unknown)}.")
