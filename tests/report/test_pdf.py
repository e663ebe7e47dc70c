"""Reports as PDF, where WeasyPrint is installed, and the way to get it where it is not."""

from __future__ import annotations

import sys

import pytest
from report_examples import patient_report

from espark.errors import ReportError
from espark.report.patient_html import render_patient
from espark.report.pdf import check_pdf, render_pdf


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ReportError, match=r"pip install \"espark\[pdf\]\""):
        check_pdf()


@pytest.mark.filterwarnings("default")
def test_equal_pages_give_equal_pdfs() -> None:
    pytest.importorskip("weasyprint", reason="the extra espark[pdf] is not installed", exc_type=ImportError)
    page = render_patient(patient_report())
    content = render_pdf(page)
    assert content.startswith(b"%PDF") and content == render_pdf(page)


@pytest.mark.filterwarnings("default")
def test_a_page_that_asks_for_an_address_is_refused() -> None:
    pytest.importorskip("weasyprint", reason="the extra espark[pdf] is not installed", exc_type=ImportError)
    with pytest.raises(ReportError, match="asks nobody"):
        render_pdf('<!DOCTYPE html><img src="http://localhost:1/x.png" alt="x">')
