"""How much disk space a study needs: an upper estimate, made from the sizes of the images alone."""

from __future__ import annotations

from pathlib import Path

from espark.disk import free_bytes, size_in_words
from espark.errors import WriteError
from espark.notes import Note
from espark.pathology.slide import slide_files
from espark.workspace.opened import Workspace

# Rounded up from studies of simulated and of real patients.
_SHARE_OF_SLIDE = 0.12  # of a slide's own size: features and shapes of its tiles
_PER_SLIDE = 4_000_000  # pictures
_PER_CT = 1_000_000  # regions and radiomics
_PER_PATIENT = 2_000_000  # the page
_PER_FOLD = 8_000_000  # the weights of all models
_PER_STUDY = 40_000_000  # tables and figures


def space_needed(workspace: Workspace) -> int:
    """Bytes that all steps of a study together write, estimated from above."""
    patients = workspace.cohort.used
    slides = [part for patient in patients for slide in patient.files.slides for part in slide_files(slide)]
    of_slides = _SHARE_OF_SLIDE * sum(map(_size, slides)) + _PER_SLIDE * len(slides)
    of_cts = _PER_CT * sum(patient.files.ct is not None for patient in patients)
    of_study = _PER_STUDY + _PER_FOLD * workspace.config.protocol.folds
    return round(of_slides + of_cts + _PER_PATIENT * len(patients) + of_study)


def space_still_needed(workspace: Workspace) -> int:
    """As :func:`space_needed`, less what lies in the study already."""
    written = sum(_size(folder) for folder in workspace.layout.step_folders)
    return max(0, space_needed(workspace) - written)


def space_note(workspace: Workspace) -> Note | None:
    """A doubt where the disk may be too small for the study."""
    free, needed = free_bytes(workspace.root), space_still_needed(workspace)
    if free >= needed:
        return None
    text = f"The disk has {size_in_words(free)} free, and the study may need {size_in_words(needed)}."
    return Note("D-STUDY-007", text)


def with_space_needed(error: WriteError, workspace: Workspace) -> WriteError:
    """The same error with the space that the study still needs, where the disk is full."""
    if error.code != "E-STUDY-005":
        return error
    needed = size_in_words(space_still_needed(workspace))
    return error.but(f"{error.found}, and the study may need {needed} more")


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else 0
