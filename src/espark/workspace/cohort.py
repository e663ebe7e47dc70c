"""``cohort.csv``: who the patients are. Read strictly; every problem is reported at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espark.errors import CohortError, InputError, InputProblems, nearest
from espark.notes import Note
from espark.outcome import Outcome
from espark.pathology.slide_names import slide_name
from espark.tables.names import id_problem, name_problem
from espark.tables.read import read_table
from espark.tables.table import MISSING_NUMBER_WORDS, MISSING_WORDS, Table, number_hint, to_number
from espark.types import ROLES, ClinicalColumn, Region, Role
from espark.workspace.patient_files import PatientFiles, contradictions, unusable_files

OPTIONAL_COLUMNS = ("esophagus_mask", "tumor_mask", "rtstruct", "tumor_roi", "esophagus_roi", "slide_mpp", "ct_series")
_IMAGES = ("ct", "slides")

_NOT_DRAWN = "-"
_MOST_PROBLEMS = 200
_MOST_NAMES = 20


@dataclass(frozen=True)
class Patient:
    """One row of the cohort.

    Attributes:
        patient_id: the study's own id; letters, digits, dot, dash and underscore.
        center: hospital or region.
        role: development, internal_test or external.
        label: 1 with the outcome of the study, 0 without, None when unknown.
        files: CT, slides and regions.
        clinical: value by declared column; None when missing.
    """

    patient_id: str
    center: str
    role: Role
    label: int | None
    files: PatientFiles = field(default_factory=PatientFiles)
    clinical: dict[str, float | str | None] = field(default_factory=dict)

    @property
    def cohort_name(self) -> str:
        """Name of the cohort in which this patient is evaluated: external patients by their center."""
        return self.center if self.role == "external" else self.role


@dataclass(frozen=True)
class Cohort:
    """The patients of a study, in the order of the file.

    Attributes:
        patients: every patient.
        clinical: the declared clinical columns.
        notes: what was decided while the table was read.
    """

    patients: tuple[Patient, ...]
    clinical: tuple[ClinicalColumn, ...] = ()
    notes: tuple[Note, ...] = ()

    def __iter__(self) -> Iterator[Patient]:
        return iter(self.patients)

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, patient_id: str) -> Patient:
        for patient in self.patients:
            if patient.patient_id == patient_id:
                return patient
        guess = nearest(patient_id, (patient.patient_id for patient in self.patients))
        raise CohortError(
            f"there is no patient '{patient_id}'", action=f"Did you mean '{guess}'?" if guess else "See cohort.csv."
        )

    @property
    def development(self) -> tuple[Patient, ...]:
        """Development patients with a label: those that models are trained on."""
        return tuple(patient for patient in self if patient.role == "development" and patient.label is not None)

    @property
    def set_aside(self) -> tuple[Patient, ...]:
        """Development patients without a label: nothing is trained on them and nothing predicted for them."""
        return tuple(patient for patient in self if patient.role == "development" and patient.label is None)

    @property
    def used(self) -> tuple[Patient, ...]:
        """Every patient who is not set aside."""
        return tuple(patient for patient in self if patient.role != "development" or patient.label is not None)

    @property
    def cohort_names(self) -> tuple[str, ...]:
        """Names of the cohorts that are evaluated: development, internal_test, then each external center."""
        names = [patient.cohort_name for patient in self.used]
        internal = [role for role in ("development", "internal_test") if role in names]
        return (*internal, *sorted({name for name in names if name not in internal}))


def required_columns(outcome: Outcome) -> tuple[str, ...]:
    """The columns that every ``cohort.csv`` of images has, in their usual order."""
    return ("patient_id", "center", "role", outcome.column, *_IMAGES)


def read_cohort(
    path: Path,
    outcome: Outcome,
    clinical: Sequence[ClinicalColumn] = (),
    *,
    imageless: bool = False,
    encoded_elsewhere: bool = False,
    masks_required: bool = True,
    rois: Mapping[Region, str] | None = None,
    trains: bool = True,
) -> Cohort:
    """Read and check ``cohort.csv``.

    Args:
        path: the file; the paths in it are relative to its folder.
        outcome: the outcome of the study, which names the column of the labels.
        clinical: clinical columns that study.toml declares.
        imageless: True when features made elsewhere come in, so that the columns ``ct`` and ``slides`` may be absent.
        encoded_elsewhere: True when tile features made elsewhere come in: then ``slides`` names slides, not files.
        masks_required: False when a CT without a region is segmented.
        rois: by region, the name or number that counts for a patient with a mask of it or an RTSTRUCT whose cell is
            empty. A cell with a dash means that the region is not drawn; no name is accepted.
        trains: False where a cohort without any development patient is accepted, because nothing is trained on it.

    Raises:
        CohortError: when the file is missing or holds no patients.
        TableError: when it is not a table, or its rows do not fit its header.
        InputProblems: with everything else that is wrong.
    """
    table = _read_table(path)
    header = list(table.header)
    problems: list[InputError] = list(_header_problems(path, header, outcome, clinical, imageless=imageless))
    # A misspelt column would make every row look wrong in the checks that span columns: those wait until it is right.
    header_is_right = not problems
    patients: list[Patient] = []
    for index, cells in enumerate(table.rows):
        reader = _Row(path.parent, table.where(index), dict(zip(header, cells, strict=True)), encoded_elsewhere)
        patients.append(reader.patient(outcome, clinical, rois or {}))
        problems += reader.problems
        if header_is_right:
            problems += contradictions(patients[-1].files, masks_required=masks_required, where=reader.where)
        if len(problems) > _MOST_PROBLEMS:  # nobody reads further
            raise InputProblems(problems)
    problems += _identity_problems(path, list(zip(table.numbers, patients, strict=True)))
    if not problems and (trains or any(patient.role == "development" for patient in patients)):
        problems += _development_problems(path, outcome, patients)
    if problems:
        raise InputProblems(problems)
    return Cohort(tuple(patients), tuple(clinical), (*table.notes, *_words_for_missing(table, patients, clinical)))


def read_clinical(
    columns: Sequence[ClinicalColumn], given: Mapping[str, str], *, where: str
) -> tuple[float | str | None, ...]:
    """Clinical values of one patient that are not in a table.

    Args:
        columns: the columns that may be given.
        given: text by name of the column; a column that is not there is missing.
        where: what an error names as the place.

    Returns:
        One value a column, in their order; None where missing.

    Raises:
        InputProblems: with every unknown name and every number that is none.
    """
    reader = _Row(Path(), where, given)
    known = [column.name for column in columns]
    for name in given:
        if name not in known:
            guess = nearest(name, known)
            hint = f"Did you mean '{guess}'?" if guess else f"Known here: {', '.join(known)}."
            reader.problem(f"unknown clinical column '{name}'", action=hint)
    values = tuple(reader.clinical(column) for column in columns)
    if reader.problems:
        raise InputProblems(reader.problems)
    return values


def _read_table(path: Path) -> Table:
    if not path.exists():
        workbook = path.with_suffix(".xlsx")
        action = f"Save {workbook.name} as CSV UTF-8." if workbook.exists() else None
        raise CohortError(
            "the cohort table is missing", where=path, action=action or "Write a first one with `espark init DIR`.",
            code="E-TABLE-001",
        )  # fmt: skip
    table = read_table(path, key="patient_id")
    if not len(table):
        raise CohortError(
            "the table holds no patients", where=path, action="Add one row per patient.", code="E-TABLE-002"
        )
    return table


def _words_for_missing(table: Table, patients: list[Patient], clinical: Sequence[ClinicalColumn]) -> Iterator[Note]:
    """Text that was read as a missing value although the cell is not empty."""
    for column in clinical:
        cells = zip(table.column(column.name), patients, strict=True)
        words = Counter(cell for cell, patient in cells if cell and patient.clinical[column.name] is None)
        if words:
            found = ", ".join(f"{word} ({count})" for word, count in words.most_common())
            yield Note("N-TABLE-007", f"Column '{column.name}': these cells count as missing: {found}.")


def _header_problems(
    path: Path, header: list[str], outcome: Outcome, clinical: Sequence[ClinicalColumn], *, imageless: bool
) -> Iterator[CohortError]:
    usual = required_columns(outcome)
    required = [name for name in usual if not (imageless and name in _IMAGES)]
    known = [*usual, *OPTIONAL_COLUMNS, *(column.name for column in clinical)]
    if "" in header:
        yield CohortError(
            f"column {header.index('') + 1} has no name", where=path, action="Name it, or empty its cells.",
            code="E-TABLE-012",
        )  # fmt: skip
    unknown = [name for name in header if name and name not in known]
    for name in unknown[:_MOST_NAMES]:
        guess = nearest(name, known)
        hint = f"Did you mean '{guess}'? " if guess else ""
        yield CohortError(
            f"unknown column '{name}'", where=path, action=f"{hint}A clinical column is declared in study.toml."
        )
    if len(unknown) > _MOST_NAMES:
        yield CohortError(f"{len(unknown) - _MOST_NAMES} more columns are unknown", where=path)
    for name in [*required, *(column.name for column in clinical)]:
        if name not in header:
            action = "Add it (its cells may be empty)."
            if name == outcome.column:
                action += " If it has another name, write that under [study.outcome] in study.toml."
            yield CohortError(f"column '{name}' is missing", where=path, action=action)


class _Row:
    """Reads one row and collects what is wrong with it."""

    def __init__(self, folder: Path, where: str, cells: Mapping[str, str], encoded_elsewhere: bool = False):
        self.encoded_elsewhere = encoded_elsewhere
        self.folder = folder
        self.where = where
        self.cells = cells
        self.problems: list[InputError] = []

    def problem(self, found: str, *, expected: str | None = None, action: str | None = None) -> None:
        self.problems.append(CohortError(found, where=self.where, expected=expected, action=action, code="E-TABLE-015"))

    def text(self, column: str) -> str | None:
        value = self.cells.get(column, "")
        return None if value.lower() in MISSING_NUMBER_WORDS else value

    def file(self, column: str) -> Path | None:
        value = self.text(column)
        return None if value is None else self.folder / value

    def patient(self, outcome: Outcome, clinical: Sequence[ClinicalColumn], rois: Mapping[Region, str]) -> Patient:
        patient = Patient(
            patient_id=self.patient_id(),
            center=self.center(),
            role=self.role(),
            label=self.label(outcome),
            files=self.files(rois),
            clinical={column.name: self.clinical(column) for column in clinical},
        )
        self.problems += unusable_files(patient.files, root=self.folder, where=self.where)
        for name in (name for name, count in Counter(patient.files.slide_names).items() if count > 1):
            self.problem(f"two slides are called '{name}'", action="Name each slide once.")
        for slide in (slide for slide, count in Counter(patient.files.slides).items() if count > 1):
            self.problem(f"the slide {slide.name} is named twice", action="Name each slide once.")
        return patient

    def files(self, rois: Mapping[Region, str]) -> PatientFiles:
        slides = [part.strip() for part in (self.text("slides") or "").split(";") if part.strip()]
        return PatientFiles(
            ct=self.file("ct"),
            slides=() if self.encoded_elsewhere else tuple(self.folder / part for part in slides),
            slide_names=tuple(map(slide_name, slides)) if self.encoded_elsewhere else (),
            esophagus_mask=self.file("esophagus_mask"),
            tumor_mask=self.file("tumor_mask"),
            rtstruct=self.file("rtstruct"),
            tumor_roi=self.roi("tumor", rois),
            esophagus_roi=self.roi("esophagus", rois),
            slide_mpp=self.number("slide_mpp", "micrometres per pixel, such as 0.5"),
            ct_series=self.text("ct_series"),
        )

    def roi(self, region: Region, rois: Mapping[Region, str]) -> str | None:
        value = self.text(f"{region}_roi")
        if value == _NOT_DRAWN:
            return None
        drawn = self.text(f"{region}_mask") or self.text("rtstruct")
        return value or (rois.get(region) or None if drawn else None)

    def patient_id(self) -> str:
        value = self.cells.get("patient_id", "")
        if "patient_id" in self.cells and (why := id_problem(value)):
            expected = "1 to 64 letters (a to z), digits, dots, dashes and underscores; a letter or digit first"
            self.problem(f"patient_id {value[:80]!r} {why}", expected=expected)
        return value

    def center(self) -> str:
        value = self.cells.get("center")  # a center may be called NA
        if value == "":
            self.problem("center is empty", expected="the hospital or region of the patient")
        elif value in ROLES:
            self.problem(f"center '{value}' is the name of a role", action="Name the hospital or region.")
        elif value and (why := name_problem(value)):
            self.problem(f"center {value[:80]!r} {why}", expected="the hospital or region of the patient, in letters")
        return value or ""

    def role(self) -> Role:
        value = self.cells.get("role", "")
        for role in ROLES:
            if value == role:
                return role
        if "role" in self.cells:
            guess = nearest(value.lower(), ROLES)
            hint = f"Did you mean '{guess}'?" if guess else None
            self.problem(f"role {value!r} is not known", expected=", ".join(ROLES), action=hint)
        return "external"

    def label(self, outcome: Outcome) -> int | None:
        cell = self.cells.get(outcome.column, "")
        value = None if cell.lower() in MISSING_WORDS else cell  # `none` might mean that there is no outcome
        if value in (None, "0", "1", "0.0", "1.0"):
            return None if value is None else int(float(value))
        self.problem(
            f"{outcome.column} {value!r} is not known",
            expected=f"1 for {outcome.in_full}, 0 for {outcome.negation}, or empty (unknown)",
        )
        return None

    def number(self, column: str, expected: str) -> float | None:
        value = to_number(self.cells.get(column, ""))
        if isinstance(value, str):
            self.problem(f"{column} {value!r} is not a number", expected=expected, action=number_hint(value))
            return None
        return value

    def clinical(self, column: ClinicalColumn) -> float | str | None:
        text = self.cells.get(column.name, "")
        if column.is_missing(text):
            return None
        if column.kind == "category":
            words = MISSING_WORDS if column.missing is None else {""}
            return None if text.lower() in words else text
        return self.number(column.name, f"a number{f' in {column.unit}' if column.unit else ''}, or an empty cell")


def _identity_problems(path: Path, rows: list[tuple[int, Patient]]) -> Iterator[CohortError]:
    first: dict[str, tuple[int, Patient]] = {}
    written: dict[str, str] = {}
    for number, patient in rows:
        other_spelling = written.setdefault(patient.patient_id.lower(), patient.patient_id)
        if other_spelling != patient.patient_id:
            yield CohortError(
                f"the ids '{other_spelling}' and '{patient.patient_id}' differ only in upper and lower case",
                where=f"{path}, line {number}",
                expected="ids that also differ on Windows and macOS, where both would name the same file",
                action="Change one of them.",
                code="E-TABLE-015",
            )
        if patient.patient_id not in first or not patient.patient_id:
            first[patient.patient_id] = number, patient
            continue
        line, other = first[patient.patient_id]
        if other.role != patient.role:
            yield CohortError(
                f"patient '{patient.patient_id}' has two roles: {other.role} (line {line}) and {patient.role}",
                where=f"{path}, line {number}",
                action="One patient has one role; otherwise the test would see training patients.",
            )
        else:
            yield CohortError(
                f"patient '{patient.patient_id}' appears twice (first in line {line})",
                where=f"{path}, line {number}",
                action="Keep one row; several slides go into one cell, separated by ';'.",
            )


def _development_problems(path: Path, outcome: Outcome, patients: list[Patient]) -> Iterator[CohortError]:
    labels = Counter(
        patient.label for patient in patients if patient.role == "development" and patient.label is not None
    )
    if not labels:
        expected = f"{outcome.column} 0 or 1 in development rows"
        yield CohortError("no development patient has a label", where=path, expected=expected)
    elif len(labels) == 1:
        yield CohortError(
            f"every labelled development patient has {outcome.column} {next(iter(labels))}",
            where=path,
            expected="both classes among the development patients",
            action="A model cannot learn from one class only.",
        )
