"""Doubts about the cell types of slides that `prepare` has encoded: before, they are not known."""

from __future__ import annotations

from collections.abc import Iterator

from espark.notes import Note
from espark.steps.prepare.item import Item
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace
from espark.workspace.patient_files import slide_number
from espark.workspace.records import is_done, recorded_notes

_CODES = ("D-SLIDE-007", "D-SLIDE-008")


def doubted_cells(workspace: Workspace, patient: Patient) -> Iterator[Note]:
    """Why the cell types of a patient's prepared slides are not reliable; nothing for slides that changed since."""
    config, several = workspace.config, len(patient.files.slides) > 1
    for name, path in patient.files.named_slides.items():
        found = [note for note in recorded_notes(workspace.layout, patient.patient_id, name) if note.code in _CODES]
        if not found:
            continue
        item = Item(workspace.layout, patient, name, path, config.ct, config.slides, workspace.cytology)
        if is_done(workspace.layout, patient.patient_id, name, item.key()):
            which = f"Slide {slide_number(name)}: " if several else ""
            yield from (Note(note.code, f"{which}{note.text}") for note in found)
