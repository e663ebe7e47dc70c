"""A report as PDF for A4, through WeasyPrint (the extra ``pdf``); nothing is fetched, equal pages give equal bytes."""

from __future__ import annotations

import re
from typing import Any

from espark.errors import ReportError
from espark.report.pages import asset

_DRAWING = re.compile(r"<svg\b[^>]*>")


def check_pdf() -> None:
    """Check that PDFs can be made here, before hours of work.

    Raises:
        ReportError: when WeasyPrint or the library it needs is missing, with the steps to get it.
    """
    _weasyprint()


def render_pdf(page: str) -> bytes:
    """A report's HTML page as PDF.

    Args:
        page: a self-contained page.

    Raises:
        ReportError: when WeasyPrint is missing, or the page loads an address outside it.
    """
    printer = _weasyprint()
    # WeasyPrint applies a page's style sheet to HTML only, so each drawing gets its own copy of the rules.
    rules = f"<style>{asset('drawings.css')}</style>"
    whole = _DRAWING.sub(lambda found: found.group(0) + rules, page)
    fetcher = printer.urls.URLFetcher(allowed_protocols=("data",), fail_on_errors=True)
    try:
        content: bytes = printer.HTML(string=whole, url_fetcher=fetcher).write_pdf()
    except printer.urls.FatalURLFetchingError as error:
        raise ReportError(f"a report must not load anything from outside, but this one does ({error})") from error
    return content


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ImportError:
        raise ReportError(
            "PDF needs WeasyPrint, which is not installed",
            action='Install it with `pip install "espark[pdf]"`, or open the HTML report in a browser and print it.',
        ) from None
    except OSError as error:
        raise ReportError(
            f"WeasyPrint does not find the library Pango ({error})",
            action="Install it (Debian, Ubuntu: `apt-get install libpango-1.0-0 libpangoft2-1.0-0`; macOS: `brew "
            "install pango`), or open the HTML report in a browser and print it.",
        ) from error
    return weasyprint
