"""The answer in words: what the numbers mean, at one glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from espark.outcome import BOTH, NEGATIVE, POSITIVE
from espark.report import words
from espark.report.drawn.small_changes import changes_caveat
from espark.report.patient_content import PatientReport

Kind = Literal["likely", "unlikely", "not-sure", "outside", "withheld"]


@dataclass(frozen=True)
class Answer:
    """The headline of a patient's report and the text under it.

    Attributes:
        kind: which of the five answers it is; also its style class.
        mark: a sign that goes with the headline, so that color is never the only sign.
        headline: two or three words.
        sentence: what the headline means.
        call: the plain yes/no call at the threshold; empty when withheld.
        caveat: what a reader must know before using it; empty when nothing.
    """

    kind: Kind
    mark: str
    headline: str
    sentence: str
    call: str = ""
    caveat: str = ""


_BY_SET: dict[str, Answer] = {
    POSITIVE: Answer("likely", "▲", words.ANSWER_WORDS["likely"], "The model expects {outcome}."),
    NEGATIVE: Answer("unlikely", "▼", words.ANSWER_WORDS["unlikely"], "The model expects {negation}."),
    BOTH: Answer("not-sure", "◆", "Not sure", "The model can rule out neither {outcome} nor its absence."),
    "": Answer(
        "not-sure",
        "◇",
        "Fits neither",
        "The number is unusual both for patients with {outcome} and for patients without it; read it as not sure.",
    ),
}
_AGREES = {POSITIVE: 1, NEGATIVE: 0}


def answer_of(report: PatientReport) -> Answer:
    """Put a patient's result into words.

    A patient outside what the model knows gets the number but no answer. A withheld answer has no number either.

    Raises:
        ValueError: when ``report.conformal_set`` is not one of the four sets, or ``report.prediction`` not 0 or 1.
    """
    if report.withheld:
        return Answer("withheld", "○", _no_answer(report), words.WITHHELD[report.unchecked])
    if report.conformal_set not in _BY_SET:
        raise ValueError(f"a conformal set is one of {sorted(_BY_SET)}, found {report.conformal_set!r}")
    if report.prediction not in (0, 1):
        raise ValueError(f"a prediction is 0 or 1, found {report.prediction!r}")
    plain = _BY_SET[report.conformal_set]
    headline, meaning = (words.about(text, report.outcome) for text in (plain.headline, plain.sentence))
    call = report.outcome.word(report.prediction)
    if report.outside:
        return Answer("outside", "○", _no_answer(report), words.OUTSIDE[report.unchecked], call)
    missed = f"no more than {100 - 100 * report.coverage:.0f} of 100 patients like the development patients"
    sentence = f"{meaning} Such answers are designed to miss the true outcome in {missed}."
    return Answer(plain.kind, plain.mark, headline, sentence, call, _caveat(report, headline, call))


def _no_answer(report: PatientReport) -> str:
    return words.NOT_CHECKED if report.unchecked else words.NOT_APPLICABLE


def _caveat(report: PatientReport, headline: str, call: str) -> str:
    if report.role == "development" and not report.out_of_fold:
        return words.FLATTERED
    if _AGREES.get(report.conformal_set, report.prediction) != report.prediction:
        return words.RULES_DISAGREE.format(answer=headline, call=call)
    return changes_caveat(report.robustness, report.outcome) if report.robustness else ""
