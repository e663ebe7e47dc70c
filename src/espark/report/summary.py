"""The report in a few sentences, written from its numbers alone: equal numbers give equal words."""

from __future__ import annotations

from collections.abc import Iterator

from espark.report import words
from espark.report.answer import Answer
from espark.report.formatting import amount, counted, rank, share_with_interval, significant
from espark.report.patient_content import Biomarker, CellTypeRow, PatientReport, answer_kind
from espark.wording import percent

_FAR = 10.0
"""A value is low or high when at most this share of the development patients, in percent, have a more extreme one."""

_NAMED = 3
"""Number of cell types that the summary names; the section on cell types shows all."""


def summary(report: PatientReport, answer: Answer) -> list[str]:
    """The sentences under the answer, the most important first."""
    said = [*_about_answer(report, answer), *_about_images(report), *_about_tissue(report)]
    return said if report.outside or report.withheld else [*said, *_about_limits(report)]


def limits(report: PatientReport) -> list[str]:
    """What the report cannot say about a patient outside what the model knows; empty for all other patients."""
    if not report.outside and not report.withheld:
        return []
    no_answer = words.about(words.NO_ANSWER[report.unchecked], report.outcome)
    of_cells = [words.NO_DIAGNOSIS_OF_CELLS] if report.slides and not report.withheld else []
    of_cells = [words.NO_RELIABLE_CELLS] if report.unreliable_cells else of_cells
    return [no_answer, *_about_limits(report), words.NO_DIAGNOSIS, *of_cells, words.NO_TREATMENT]


def _about_answer(report: PatientReport, answer: Answer) -> Iterator[str]:
    if report.withheld:
        return
    if report.outside:
        yield f"The model computed {percent(report.probability)}, but do not rely on it for this patient."
        return
    spread = ""
    if len(report.members) > 1:
        spread = (
            f"; its {len(report.members)} models range from {percent(min(report.members))} to "
            f"{percent(max(report.members))}"
        )
    name = report.outcome.name
    yield f"The model gives {name} a probability of {percent(report.probability)}{spread}."
    if not report.record:
        return
    first = report.record[0]
    n, n_positive = first.counts[answer_kind(report.conformal_set)]
    if n == 0:
        yield f"No patient of the cohort “{first.cohort}” got the answer “{answer.headline}”."
    else:
        yield (
            f"In the cohort “{first.cohort}”, {n_positive} of {counted(n, 'patient')} with this answer had {name}: "
            f"{share_with_interval(n_positive, n)}. Of all {first.n} patients, {percent(first.n_positive / first.n)} "
            "had it."
        )


def _about_images(report: PatientReport) -> Iterator[str]:
    if report.ct is not None:
        sizes = [
            f"{words.SCALE_WORDS[region.scale].lower()} {amount(region.volume_ml, 'ml')}, "
            f"{amount(region.length_mm, 'mm', 0)} from head to foot"
            for region in report.ct.regions
            if region.volume_ml is not None
        ]
        if sizes:
            yield f"CT: {'; '.join(sizes)}."


def _about_tissue(report: PatientReport) -> Iterator[str]:
    if report.biomarkers:
        yield f"Slides: {'; '.join(_marker(marker) for marker in report.biomarkers)}."
    if report.unreliable_cells and not (report.outside or report.withheld):
        yield words.CELLS_UNRELIABLE
    far = [row for row in report.cell_types if row.percentile is not None and _word(row.percentile)]
    if far:
        more = f"; and {len(far) - _NAMED} more" if len(far) > _NAMED else ""
        named = "; ".join(_cell_type(row, report) for row in far[:_NAMED])
        yield f"Cell types that stand out where the model looked: {named}{more}."
    elif any(row.percentile is not None for row in report.cell_types):
        yield "No cell type stands out, compared with the development patients."


def _marker(marker: Biomarker) -> str:
    text = f"{marker.name} {significant(marker.value)}"
    if marker.percentile is None or not marker.n:
        return text
    return f"{text}, higher than in {rank(marker.percentile, marker.n)} of {counted(marker.n, 'development patient')}"


def _cell_type(row: CellTypeRow, report: PatientReport) -> str:
    n = row.n if row.n is not None else report.position.n
    assert row.percentile is not None
    return f"{row.name.lower()} {_word(row.percentile)}, higher than in {rank(row.percentile, n)} of {n}"


def _word(percentile: float) -> str:
    if percentile <= _FAR:
        return "low"
    return "high" if percentile >= 100 - _FAR else ""


def _about_limits(report: PatientReport) -> Iterator[str]:
    yield from report.missing
    if not report.comparable:
        yield "Nothing is compared with the development patients, because they are simulated and this patient is not."
