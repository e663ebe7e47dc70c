"""The pages in Chromium: the table, a corrected region and its new answer, a new patient, a reader study."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from espark.serve.web_app import missing_viewers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"),
    pytest.mark.skipif(bool(missing_viewers()), reason="the viewers were not installed with espark (npm is needed)"),
    pytest.mark.timeout(900),
]

# The machine of a test may be slow and shared.
PATIENCE_MS = 60_000


@contextmanager
def served(study: Path) -> Iterator[str]:
    """The address that opens the workbench of a study."""
    command = [sys.executable, "-m", "espark", "serve", str(study), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        found = None
        while found is None:
            line = process.stdout.readline()
            assert line, "the command ended"
            found = re.search(r"http://\S+", line)
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def page(study: Path) -> Iterator[playwright.Page]:
    """The workbench in Chromium; an error in the page, or a request to another machine, fails the test."""
    errors: list[str] = []
    hosts: set[str] = set()
    with served(study) as address, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True).new_page()
        opened.set_default_timeout(PATIENCE_MS)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        opened.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "//" in request.url else None)
        opened.goto(address)
        opened.wait_for_selector("table.list tbody tr")
        yield opened
        browser.close()
        assert not errors
        assert hosts <= {address.split("/")[2]}


def go(page: playwright.Page, place: str) -> None:
    page.goto(f"{page.url.split('#')[0]}#{place}")


def give_name(page: playwright.Page) -> None:
    page.get_by_role("button", name="Your name").click()
    page.get_by_label("Name or initials").fill("Dr. A")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Dr. A").wait_for()


def first_internal(page: playwright.Page) -> str:
    """Filter the table, and open its first case by the keyboard."""
    page.get_by_label("Cohort").select_option("internal test")
    rows = page.locator("tbody tr")
    assert 0 < rows.count() < 12
    name = rows.first.locator("th a").inner_text()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("Enter")
    page.wait_for_selector("canvas.plane")
    return str(name)


def test_a_corrected_region_changes_the_answer_and_the_old_version_stays(page: playwright.Page, study: Path) -> None:
    give_name(page)
    patient_id = first_internal(page)
    page.wait_for_selector(".card .headline")
    axial = page.locator("canvas.plane").first
    wait_for_ct(page)
    for key in ("3", "1", "m", "m", "ArrowUp", "ArrowDown", "x"):
        page.keyboard.press(key)
    before = page.locator(".versions p.muted").first.inner_text()
    page.keyboard.press("b")
    box = axial.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for _ in range(3):
        page.mouse.move(x - 10, y)
        page.mouse.down()
        page.mouse.move(x + 10, y + 4, steps=4)
        page.mouse.up()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
    page.keyboard.press("i")
    page.wait_for_selector("text=slices were filled")
    assert page.locator(".versions p.muted").first.inner_text() != before
    page.get_by_role("button", name="Save version").click()
    page.wait_for_selector("text=Version 1 is saved")
    page.get_by_role("button", name="Run again with this version").click()
    page.wait_for_selector(".card.after")
    page.get_by_role("button", name="Before and after").click()
    assert page.locator("dialog .sides .card").count() == 2
    page.keyboard.press("Escape")
    corrections = study / "corrections" / patient_id
    assert sorted(path.name for path in corrections.glob("v*")) == ["v0001.json", "v0001.nii.gz"]
    assert page.get_by_role("button", name="As prepared").is_visible()


def wait_for_ct(page: playwright.Page) -> None:
    playwright.expect(page.locator(".ct-status")).not_to_contain_text("loading", timeout=PATIENCE_MS)


def test_slides_are_shown_with_layers_and_two_cases_beside_each_other(page: playwright.Page) -> None:
    first_internal(page)
    page.get_by_role("button", name="Slide", exact=True).click()
    layer = page.get_by_label("Layer", exact=True)
    page.wait_for_selector(".slide-place-holder canvas")
    layer.select_option("tissue")
    page.wait_for_selector(".legend .ramp")
    page.get_by_role("button", name="20×").click()
    go(page, "/")
    page.wait_for_selector("tbody tr")
    page.get_by_label("Cohort").select_option("")
    boxes = page.locator("tbody input[type=checkbox]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare two cases").click()
    playwright.expect(page.locator(".half canvas.plane")).to_have_count(6, timeout=PATIENCE_MS)
    playwright.expect(page.locator(".half .card .headline")).to_have_count(2, timeout=PATIENCE_MS)


def test_a_new_patient_becomes_a_case_with_an_answer(page: playwright.Page, study: Path) -> None:
    go(page, "/new")
    page.get_by_label("Patient id").fill("N-1")
    patient = next(path for path in sorted((study / "ct").iterdir()) if path.is_dir())
    slide = next((study / "slides").glob(f"{patient.name}*"))
    page.locator("input[type=file]").first.set_input_files([*sorted(patient.iterdir()), slide])
    page.get_by_role("button", name="Add the patient").click()
    page.wait_for_selector("tr:has-text('N-1') .work.done, tr:has-text('N-1') .work.failed")
    assert page.locator("tr:has-text('N-1') .work").inner_text() == "done"
    go(page, "/case/N-1")
    page.wait_for_selector("canvas.plane")
    page.wait_for_selector(".card .headline")


def test_a_reader_reads_three_cases_and_the_table_is_exported(page: playwright.Page, tmp_path: Path) -> None:
    go(page, "/readers")
    page.get_by_role("textbox", name="Reader").fill("Dr. B")
    page.get_by_label("Cases of the cohort").select_option("development")
    page.get_by_role("spinbutton", name="Number of cases").fill("3")
    page.get_by_role("button", name="Begin to read").click()
    for number in range(3):
        page.wait_for_selector(f"text=case {number + 1} of 3")
        assert "known outcome" not in page.locator(".case-head").inner_text()
        assert page.locator(".card .headline").count() == 0
        page.get_by_label("Your probability in percent").fill(str(20 + 30 * number))
        page.get_by_role("button", name="Keep, and show the answer").click()
        page.wait_for_selector(".reading .card .headline")
        assert "known outcome" not in page.locator(".case-head").inner_text()
        page.get_by_role("button", name="Keep, and next case").click()
    page.wait_for_selector("text=All cases of this list are read")
    page.get_by_role("link", name="Results").last.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    download.value.save_as(tmp_path / "readings.csv")
    with (tmp_path / "readings.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [float(row["before"]) for row in rows] == [0.2, 0.5, 0.8]
    assert all(float(row["seconds_before"]) > 0 for row in rows)


def test_the_server_ends_with_its_worker(study: Path) -> None:
    with served(study):
        time.sleep(2)
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"espark.serve.worker {study}" not in left
