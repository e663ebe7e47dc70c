"""What small changes of the contour and of the slices do to the answer: in a sentence, and as rows of a drawing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from espark.explain.robustness import Robustness
from espark.outcome import Outcome
from espark.report import words
from espark.report.formatting import counted
from espark.report.patient_content import ANSWER_KINDS, AnswerKind, answer_kind
from espark.wording import percent

_LEFT, _RIGHT = 236.0, 600.0
_TOP, _ROW = 14.0, 20.0
_MM = re.compile(r"[\d.]+ mm")
_AS_GIVEN = "as given or found"


@dataclass(frozen=True)
class ChangeRow:
    """A row of the drawing.

    Attributes:
        name: the change.
        kind: the answer; also its style class.
        mark: its sign, so that color is never the only sign.
        text: the probability.
        x: its place from left to right.
        y: middle of the row.
    """

    name: str
    kind: AnswerKind
    mark: str
    text: str
    x: float
    y: float


@dataclass(frozen=True)
class ChangesDrawing:
    """A row for the answer as it is and for each change, on an axis from 0 to 100 %.

    Attributes:
        left: 0 %.
        right: 100 %.
        height: of the drawing.
        threshold: place of the threshold.
        rows: from top to bottom.
    """

    left: float
    right: float
    height: float
    threshold: float
    rows: tuple[ChangeRow, ...]


def changes_sentence(found: Robustness, outcome: Outcome) -> str:
    """How far the probability moves, and whether the answer stays."""
    names = [answer.change for answer in found.changed]
    thick = f" and with {names[-1]}" if names[-1].startswith("slices") else ""
    step = _MM.search(names[0])
    moved = f"When the contour is moved by {step[0] if step else 'a little'} or drawn again{thick}, the probability "
    moved += f"lies between {percent(found.low)} and {percent(found.high)}"
    if found.holds:
        return f"{moved}; the answer stays “{_word(answer_kind(found.conformal_set), outcome)}”."
    return f"{moved}, and the answer changes: {_counts(found, outcome)}."


def changes_caveat(found: Robustness, outcome: Outcome) -> str:
    """What a reader must know when the answer depends on the contour; empty when it does not."""
    if found.holds:
        return ""
    return words.DEPENDS_ON_CONTOUR.format(counts=_counts(found, outcome))


def _counts(found: Robustness, outcome: Outcome) -> str:
    """How often each answer was given after a change, such as ``“Not sure” after 3 of 5 changes``."""
    number = Counter(answer_kind(answer.conformal_set) for answer in found.changed)
    parts = [f"“{_word(kind, outcome)}” after {number[kind]}" for kind in ANSWER_KINDS if number[kind]]
    return f"{' and '.join(parts)} of {counted(len(found.changed), 'change')}"


def _word(kind: AnswerKind, outcome: Outcome) -> str:
    return words.about(words.ANSWER_WORDS[kind], outcome)


def changes_drawing(found: Robustness, threshold: float) -> ChangesDrawing:
    """The drawing of one patient."""
    rows = [(_AS_GIVEN, found.probability, found.conformal_set)]
    rows += [(answer.change, answer.probability, answer.conformal_set) for answer in found.changed]
    drawn = []
    for number, (name, probability, conformal_set) in enumerate(rows):
        kind, y = answer_kind(conformal_set), _TOP + _ROW * number
        mark = words.ANSWER_MARKS[kind]
        drawn.append(ChangeRow(name, kind, mark, percent(probability), _place(probability), y))
    return ChangesDrawing(_LEFT, _RIGHT, _TOP + _ROW * len(rows), _place(threshold), tuple(drawn))


def _place(share: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0), 1)
