"""A report as PDF through whatever can print here: WeasyPrint, or else an installed Chromium."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from espark.errors import ReportError
from espark.machine.processes import is_root
from espark.report.pdf import check_pdf, render_pdf

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ("--headless=new", "--disable-gpu", "--no-first-run", "--disable-extensions", "--no-pdf-header-footer",
          "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
_SECONDS = 180


def printed_page(page: str) -> bytes | None:
    """A self-contained HTML page as PDF; None when nothing here can print it.

    Raises:
        ReportError: when a printer is installed, but fails.
    """
    try:
        check_pdf()
    except ReportError:
        browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
        return None if browser is None else _by_browser(browser, page)
    return render_pdf(page)


def _by_browser(browser: str, page: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="espark-print-", ignore_cleanup_errors=True) as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(page, encoding="utf-8")
        # Chromium refuses its sandbox to root. The page is espark's own and loads nothing.
        sandbox = ["--no-sandbox"] if is_root() else []
        command = [browser, *_FLAGS, *sandbox, f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}"]
        try:
            subprocess.run([*command, source.as_uri()], check=True, capture_output=True, timeout=_SECONDS)
            return target.read_bytes()
        except (subprocess.SubprocessError, OSError) as error:
            raise ReportError(
                f"Chromium could not print the page ({type(error).__name__})",
                where=browser,
                action='Install WeasyPrint with `pip install "espark[pdf]"`.',
            ) from error
