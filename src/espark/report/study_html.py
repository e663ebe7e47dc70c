"""The report of a study."""

from __future__ import annotations

from espark.report import words
from espark.report.pages import asset, rendered, script_hash
from espark.report.study_content import StudyReport


def render_study(report: StudyReport) -> str:
    """A study's report as a self-contained HTML page: equal content gives equal bytes.

    Raises:
        ValueError: when ``report`` links to an address that is not a file beside it.
    """
    script = asset("sort.js")
    return rendered(
        "study.html",
        report=report,
        notices=[*([words.SIMULATED] if report.simulated else []), words.RESEARCH_USE],
        terms=[
            words.outcome_term(report.outcome),
            *(words.TERMS[key].about(report.outcome) for key in words.STUDY_TERMS),
        ],
        script=script,
        script_hash=script_hash(script),
    )
