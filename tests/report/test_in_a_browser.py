"""The pages in a real browser, on a desk and on a phone; skipped where there is no Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, find_browser
from report_examples import patient_report, study_report

from espark.report.patient_html import render_patient
from espark.report.study_html import render_study


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("there is no Chromium on this machine (apt-get install chromium)")
    opened = Browser(program)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ["patient", "outside", "withheld", "study"])
def test_a_page_asks_nobody_says_nothing_and_fits(browser: Browser, tmp_path: Path, name: str) -> None:
    file = tmp_path / "page.html"
    outside = ("This CT does not look like the disease the model is for",)
    file.write_text(
        {
            "patient": lambda: render_patient(patient_report()),
            "outside": lambda: render_patient(patient_report(outside=outside, simulated_model=True)),
            "withheld": lambda: render_patient(patient_report(outside=outside, withheld=True)),
            "study": lambda: render_study(study_report()),
        }[name](),
        encoding="utf-8",
    )
    for width in (1280, 390):
        visit = browser.open(file, width=width)
        assert [address for address in visit.requests if not address.startswith("data:")] == [file.as_uri()]
        assert visit.console == []
        assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.pdf().startswith(b"%PDF")
