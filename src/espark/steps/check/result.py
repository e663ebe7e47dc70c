"""What `check` finds, patient by patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from espark.errors import InputError
from espark.notes import Note

State = Literal["ok", "doubted", "refused"]


@dataclass(frozen=True)
class Verdict:
    """What is to be said about a patient's inputs.

    Attributes:
        patient_id: whose.
        problems: what cannot be used.
        notes: doubts, and what else is worth knowing.
    """

    patient_id: str
    problems: tuple[InputError, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def doubts(self) -> tuple[Note, ...]:
        """Why a person should look at the patient's inputs."""
        return tuple(note for note in self.notes if note.is_doubt)

    @property
    def state(self) -> State:
        """``refused`` where anything cannot be used, ``doubted`` where anything is doubtful, else ``ok``."""
        return "refused" if self.problems else "doubted" if self.doubts else "ok"


@dataclass(frozen=True)
class Findings:
    """What a part of `check` found.

    Attributes:
        verdicts: of the patients with problems, doubts or notes.
        problems: what cannot be used, patients aside.
        notes: what concerns the study as a whole, though it stops nothing.
        account: what the inputs hold, in lines.
    """

    verdicts: tuple[Verdict, ...] = ()
    problems: tuple[InputError, ...] = ()
    notes: tuple[Note, ...] = ()
    account: tuple[str, ...] = ()

    def beside(self, verdict: Verdict) -> Verdict:
        """A verdict together with what was found here about the same patient."""
        own = [found for found in self.verdicts if found.patient_id == verdict.patient_id]
        problems = (problem for found in own for problem in found.problems)
        notes = (note for found in own for note in found.notes)
        return Verdict(verdict.patient_id, (*verdict.problems, *problems), (*verdict.notes, *notes))


@dataclass(frozen=True)
class CheckResult:
    """What `check` found in a study.

    Attributes:
        patients: patients by cohort.
        set_aside: development patients without a label.
        verdicts: one for each patient that is used.
        notes: what concerns the study as a whole, though it stops nothing.
        problems: everything that cannot be used, in the order in which a reader should fix it.
        account: what the tables hold, in lines: levels, ranges, gaps, and who has features.
    """

    patients: dict[str, int]
    set_aside: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[Note, ...]
    problems: tuple[InputError, ...]
    account: tuple[str, ...] = ()

    @property
    def doubted(self) -> tuple[str, ...]:
        """Patients who can be used, but whose inputs a person should look at."""
        return tuple(verdict.patient_id for verdict in self.verdicts if verdict.state == "doubted")

    def lines(self) -> Iterator[str]:
        """The account of the tables, then every doubt and note as a line, doubts first."""
        yield from self.account
        for verdict in self.verdicts:
            yield from (f"doubt: {verdict.patient_id}: {note}" for note in verdict.doubts)
        yield from (f"{'doubt' if note.is_doubt else 'note'}: {note}" for note in self.notes)
        for verdict in self.verdicts:
            yield from (f"note: {verdict.patient_id}: {note}" for note in verdict.notes if not note.is_doubt)

    def summary(self) -> str:
        """How many patients there are, and how many of them are doubted."""
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.patients.items())
        states = Counter(verdict.state for verdict in self.verdicts)
        found = ", ".join(f"{states[state]} {state}" for state in ("ok", "doubted", "refused") if states[state])
        return f"{sum(self.patients.values())} patients ({counts}): {found}."

    def to_json(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "usable": not self.problems,
            "patients": self.patients,
            "set_aside": list(self.set_aside),
            "verdicts": [
                {
                    "patient_id": verdict.patient_id,
                    "state": verdict.state,
                    "problems": [_problem(problem) for problem in verdict.problems],
                    "notes": [note.to_json() for note in verdict.notes],
                }
                for verdict in self.verdicts
            ],
            "notes": [note.to_json() for note in self.notes],
            "account": list(self.account),
            "problems": [_problem(problem) for problem in self.problems],
        }


def _problem(error: InputError) -> dict[str, str | None]:
    return {
        "code": error.code,
        "found": error.found,
        "where": error.where,
        "expected": error.expected,
        "action": error.action,
    }
