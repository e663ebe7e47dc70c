"""The contact sheet: a page like all others, ordered by doubt, and a person can choose among its patients."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, find_browser
from test_contrast import LEAST, contrast

from espark.plots.small_picture import Outline, SmallPicture, webp
from espark.report.contact_sheet import ContactSheet, Finding, SheetPicture, SheetRow, State, render_contact_sheet
from espark.report.pages import asset
from page_reader import PageReader
from page_rules import RULES

PICTURE = SmallPicture(
    webp(np.full((60, 80), 90, np.uint8), quality=50), 80, 60, 20.0, "5 cm",
    (Outline("tumor", "#D55E00", "M20 20L40 20L40 40Z"),), tuple("RLAP"), (30.0, 30.0),
)  # fmt: skip


def row(name: str, center: str, state: State, *codes: str) -> SheetRow:
    found = tuple(Finding("error" if code[0] == "E" else "doubt", "it is <odd>", code) for code in codes)
    slide = SmallPicture(PICTURE.webp, 80, 60, 20.0, "1 mm")
    return SheetRow(
        name, center, "development", state, ("CT: 4 × 4 × 4 voxels of 1 × 1 × 1 mm",),
        (SheetPicture(PICTURE, "Axial", "axial CT plane"),), (SheetPicture(slide, "Slide", "slide", "90 tiles used"),),
        ("The tumor is not drawn",) if state == "ok" else (), (*found, Finding("note", "read twice", "N-CT-005")),
    )  # fmt: skip


def sheet() -> ContactSheet:
    rows = (
        row("P-1", "Paris", "ok"),
        row("P-2", "Leiden", "doubted", "D-REGION-005"),
        row("P-10", "Paris", "doubted", "D-REGION-005", "D-REGION-008"),
        row("P-3", "Leiden", "refused", "E-REGION-019"),
    )
    return ContactSheet("A study", True, "4 patients", (Finding("note", "the study is small", "N-STUDY-001"),), rows)


def ids(page: str) -> list[str]:
    return [e.attributes["data-id"] or "" for e in PageReader(page).all("article")]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("content", [sheet(), ContactSheet("Empty", False, "0 patients", (), ())])
def test_a_page_keeps_the_rules_of_all_pages(rule: str, content: ContactSheet) -> None:
    RULES[rule](render_contact_sheet(content))


def test_the_most_doubtful_come_first_and_equal_content_gives_equal_bytes() -> None:
    assert ids(render_contact_sheet(sheet())) == ["P-3", "P-10", "P-2", "P-1"]
    assert render_contact_sheet(sheet()) == render_contact_sheet(sheet())


def test_pictures_are_decoded_late_and_keep_their_shape() -> None:
    pictures = PageReader(render_contact_sheet(sheet())).all("img")
    assert len(pictures) == 8
    for picture in pictures:
        wanted = {"loading": "lazy", "decoding": "async", "width": "80", "height": "60"}
        assert wanted.items() <= picture.attributes.items()


def test_every_text_stands_out_in_the_light_and_in_the_dark() -> None:
    light = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", str(asset("report.css"))))
    stop = re.search(r"--stop: (#\w+)", str(asset("contact_sheet.css")))
    assert stop and min(contrast(stop[1], ground) for ground in ("#fff", light["panel"])) >= LEAST
    dark = str(asset("contact_sheet.css")).split("prefers-color-scheme: dark")[1]
    known = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", dark.split("}")[0]))
    grounds = {known["paper"], known["panel"]}
    texts = {known[name] for name in ("ink", "muted", "blue", "rust", "slate", "violet", "stop")}
    assert min(contrast(text, ground) for text, ground in itertools.product(texts, grounds)) >= LEAST


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("there is no Chromium on this machine (apt-get install chromium)")
    opened = Browser(program)
    yield opened
    opened.close()


def test_a_person_chooses_orders_and_walks_by_keys(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "check.html"
    file.write_text(render_contact_sheet(sheet()), encoding="utf-8")
    for width in (1440, 390):
        visit = browser.open(file, width=width)
        assert visit.console == [] and [a for a in visit.requests if not a.startswith("data:")] == [file.as_uri()]
        assert browser.run("document.documentElement.scrollWidth") <= width

    def shown() -> list[str]:
        found: list[str] = browser.run(
            "[...document.querySelectorAll('.patient:not([hidden])')].map(p => p.dataset.id)"
        )
        return found

    def choose(name: str, value: str) -> list[str]:
        browser.run(
            f"(f => {{ f.value = {value!r}; f.dispatchEvent(new Event(f.type === 'search' ? 'input' : 'change')) }})"
            f"(document.getElementById({name!r}))"
        )
        return shown()

    assert shown() == ["P-3", "P-10", "P-2", "P-1"]
    assert choose("state", "refused doubted") == ["P-3", "P-10", "P-2"]
    assert choose("center", "Leiden") == ["P-3", "P-2"]
    assert choose("code", "D-REGION-005") == ["P-2"]
    assert browser.run("document.getElementById('shown').textContent") == "1 of 4 patients"
    for name in ("state", "center", "code"):
        choose(name, "")
    assert choose("find", "p-1") == ["P-10", "P-1"]
    choose("find", "")
    assert choose("order", "table") == ["P-1", "P-2", "P-10", "P-3"]
    assert choose("order", "id") == ["P-1", "P-2", "P-3", "P-10"]
    assert choose("order", "center") == ["P-3", "P-2", "P-10", "P-1"]
    browser.run("document.activeElement.blur()")
    for key, expected in (("j", "P-3"), ("j", "P-2"), ("k", "P-3")):
        browser.run(f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: {key!r}}}))")
        assert browser.run("document.activeElement.dataset.id") == expected
    lines = "getComputedStyle(document.querySelector('.outline')).display"
    assert browser.run(lines) != "none"
    browser.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'o'}))")
    assert browser.run(lines) == "none"
