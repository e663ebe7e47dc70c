"""The content of a study report, as plain data: the steps fill it in, the templates print it."""

from __future__ import annotations

from dataclasses import dataclass

from espark.outcome import Outcome
from espark.report.picture import Picture


@dataclass(frozen=True)
class CohortRow:
    """One cohort of a study, in patients: with the outcome, without a label, with a CT, with a slide."""

    cohort: str
    role: str
    n: int
    n_positive: int
    n_unknown: int
    n_ct: int
    n_slides: int


@dataclass(frozen=True)
class MetricsTable:
    """A table of results. ``note`` describes the patients and the intervals; cells come formatted.

    Raises:
        ValueError: when a row has more or fewer cells than there are columns.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r} has {len(self.columns)} columns, but a row of {len(row)} cells")


@dataclass(frozen=True)
class FailedItem:
    """An image that could not be used, and why."""

    patient_id: str
    item: str
    error: str


@dataclass(frozen=True)
class PatientLink:
    """A line of the study report's patient table. ``href`` is relative to the study report.

    Attributes:
        unprinted: why the answer is not printed; empty when it is printed.
    """

    patient_id: str
    cohort: str
    label: int | None
    modality: str
    probability: float | None
    prediction: int | None
    href: str | None
    unprinted: str = ""


@dataclass(frozen=True)
class FigureSection:
    """A heading, its text and its pictures."""

    title: str
    text: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class FlowBox:
    """One cohort in the flow of the patients: its name, its patients, and (what, patients) line by line."""

    title: str
    n: int
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Flow:
    """The flow of the patients.

    Attributes:
        total: rows of the cohort table.
        left_out: (why, patients).
        used: patients who stayed.
        cohorts: the cohorts of these patients.

    Raises:
        ValueError: when the numbers do not add up.
    """

    total: int
    left_out: tuple[tuple[str, int], ...]
    used: int
    cohorts: tuple[FlowBox, ...]

    def __post_init__(self) -> None:
        kept, away = sum(box.n for box in self.cohorts), sum(count for _, count in self.left_out)
        if self.used != kept or self.total != self.used + away:
            raise ValueError(
                f"the flow does not add up: {self.total} patients, {away} left out, {self.used} used, {kept} in the "
                "cohorts"
            )


@dataclass(frozen=True)
class ChecklistRow:
    """An item of TRIPOD+AI.

    Attributes:
        number: number of the item, such as ``12``.
        part: part of a paper that it belongs to.
        asked: what it asks for, in our own words.
        known: what the software knows about it; empty when only the authors know it.
        place: its section in the report; empty when it has none.
    """

    number: int
    part: str
    asked: str
    known: str = ""
    place: str = ""


@dataclass(frozen=True)
class StudyReport:
    """The content of a study's report.

    Attributes:
        title: the study's name.
        simulated: its patients are simulated.
        disease: what the models are for, as it continues "models for …".
        outcome: what they predict.
        summary: the study in a few sentences, the most important first.
        cohorts: one row per cohort.
        set_aside: who was left out and why, one sentence each.
        failed: images that could not be used.
        metrics: tables of results.
        sections: figures.
        patients: one row per patient.
        methods: paragraphs.
        choices: every choice and what it was based on.
        provenance: (what, value): versions, seeds, hashes.
        flow: the patients of the cohort table, who was left out and why; None when not known.
        checklist: the items of TRIPOD+AI.
    """

    title: str
    simulated: bool
    disease: str
    outcome: Outcome
    summary: tuple[str, ...]
    cohorts: tuple[CohortRow, ...]
    set_aside: tuple[str, ...]
    failed: tuple[FailedItem, ...]
    metrics: tuple[MetricsTable, ...]
    sections: tuple[FigureSection, ...]
    patients: tuple[PatientLink, ...]
    methods: tuple[str, ...]
    choices: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    flow: Flow | None = None
    checklist: tuple[ChecklistRow, ...] = ()
