"""What holds for every page, whatever it says."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from page_reader import Element, PageReader
from report_examples import patient_report, picture, study_report, with_every_text

from espark.report import words
from espark.report.content import Picture
from espark.report.formatting import data_uri
from espark.report.pages import design_fingerprint
from espark.report.patient import render_patient
from espark.report.study import render_study

_LOADS = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href", "cite"}

PAGES: dict[str, Callable[[], str]] = {
    "patient": lambda: render_patient(patient_report()),
    "patient of a simulated study": lambda: render_patient(
        patient_report(
            simulated_model=True, simulated_patient=True, role="development", center="CC", pcr=0, out_of_fold=True,
            n_models=1, members=(0.44,), probability=0.44, probability_sd=0.0, conformal_set="pcr;no_pcr",
            index_href="../index.html",
        )
    ),
    "CT only, unlikely": lambda: render_patient(
        patient_report(
            modality="ct", slides=(), cell_types=(), cell_type_picture=None, biomarkers=(), probability=0.0,
            members=(0.0,) * 10, probability_sd=0.0, prediction=0, conformal_set="no_pcr", validation=(), quality=(),
        )
    ),
    "slides only": lambda: render_patient(
        patient_report(modality="slides", ct=None, slides=patient_report().slides * 2, conformal_set="")
    ),
    "outside": lambda: render_patient(patient_report(outside=("This CT looks different: 9 times the limit",))),
    "withheld": lambda: render_patient(patient_report(outside=("This CT looks different",), withheld=True)),
    "study": lambda: render_study(study_report()),
    "simulated study": lambda: render_study(study_report(simulated=True)),
    "empty study": lambda: render_study(
        study_report(
            summary=(), cohorts=(), set_aside=(), failed=(), metrics=(), sections=(), patients=(), methods=(),
            choices=(), provenance=(), flow=None, checklist=(),
        )
    ),
}  # fmt: skip


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]()


def _width(row: Element) -> int:
    return sum(int(cell.attributes.get("colspan") or 1) for cell in row.children)


def test_a_page_is_well_formed(page: str) -> None:
    tree = PageReader(page)
    assert tree.doctype == "DOCTYPE html"
    assert tree.elements[0].attributes["lang"] == "en"
    assert len(tree.all("title")) == len(tree.all("h1")) == len(tree.all("main")) == 1
    assert tree.all("title")[0].text().strip()
    ids = [element.attributes["id"] for element in tree.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    targets = [a.attributes["href"] or "" for a in tree.all("a")]
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)


def test_headings_leave_out_no_level(page: str) -> None:
    levels = [int(element.tag[1]) for element in PageReader(page).elements if re.fullmatch("h[1-6]", element.tag)]
    # A box above the title would be fine for the eye, not for a screen reader.
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_are_even_and_their_headers_say_what_they_head(page: str) -> None:
    tree = PageReader(page)
    for table in tree.all("table"):
        rows = [row for part in table.children if part.tag in {"thead", "tbody", "tfoot"} for row in part.children]
        assert len({_width(row) for row in rows}) == 1
    assert all(header.attributes.get("scope") for header in tree.all("th"))


def test_every_picture_has_words(page: str) -> None:
    tree = PageReader(page)
    assert all((image.attributes["alt"] or "").strip() for image in tree.all("img"))
    for drawing in tree.all("svg"):
        assert drawing.attributes["role"] == "img"
        assert (drawing.attributes["aria-label"] or "").strip()


def test_a_page_asks_nobody_for_anything(page: str) -> None:
    tree = PageReader(page)
    addresses = [value or "" for element in tree.elements for key, value in element.attributes.items() if key in _LOADS]
    assert all(re.match(r"data:image/|#|(\.\./)?[\w/.-]+\.html$", address) for address in addresses)
    assert not {"link", "iframe", "object", "embed", "form", "base", "audio", "video"} & {e.tag for e in tree.elements}
    without_pictures = re.sub(r"data:image/[^\"]+", "", page)
    assert "http://" not in without_pictures and "https://" not in without_pictures
    style = tree.all("style")[0].text()
    assert "url(" not in style and "@import" not in style
    policy = [m.attributes["content"] for m in tree.all("meta") if m.attributes.get("http-equiv")]
    assert len(policy) == 1 and (policy[0] or "").startswith("default-src 'none'; img-src data:;")


def test_only_the_scripts_that_the_policy_admits(page: str) -> None:
    tree = PageReader(page)
    admitted = set(re.findall(r"'(sha256-[^']+)'", page))
    found = {
        "sha256-" + base64.b64encode(hashlib.sha256(script.text().encode()).digest()).decode()
        for script in tree.all("script")
    }
    assert found == admitted
    assert not [e for e in tree.elements if any(key.startswith("on") for key in e.attributes)]


def test_every_printed_page_carries_the_research_notice(page: str) -> None:
    tree = PageReader(page)
    running = [element for element in tree.elements if element.attributes.get("class") == "running"]
    assert len(running) == 1 and words.RESEARCH_USE in running[0].text()
    printed = tree.all("style")[0].text().split("@media print")[1]
    # position: fixed is what repeats the line on each page; the cloned padding keeps the text clear of it.
    assert re.search(r"\.running \{[^}]*position: fixed", printed)
    assert "box-decoration-break: clone" in printed
    assert "size: A4" in printed


def test_the_same_content_gives_the_same_bytes() -> None:
    for make in PAGES.values():
        assert make() == make()


@pytest.mark.parametrize(
    "text", ["<script>alert`1`</script>", "\" onerror='alert`1`' x=\"", "'&<b>{{ 7*7 }}</textarea>"]
)
def test_hostile_text_stays_text(text: str) -> None:
    keep = frozenset(
        {"unprinted", "modality", "role", "conformal_set", "scale", "svg", "index_href", "href", "side", "favorable"}
    )
    pages = [
        (render_patient(patient_report()), render_patient(with_every_text(patient_report(), text, keep))),
        (render_study(study_report()), render_study(with_every_text(study_report(), text, keep))),
    ]
    for clean, hostile in pages:
        before, after = PageReader(clean), PageReader(hostile)
        assert [(e.tag, list(e.attributes)) for e in after.elements] == [
            (e.tag, list(e.attributes)) for e in before.elements
        ]
        assert text in after.all("h1")[0].text()
        assert "49" not in after.all("h1")[0].text().replace("{{ 7*7 }}", "")
        assert any(text in (image.attributes["alt"] or "") for image in after.all("img"))


def test_an_svg_goes_in_as_a_picture_whose_script_cannot_run() -> None:
    from espark.report.content import Picture

    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    page = render_patient(patient_report(cell_type_picture=Picture(None, svg, "cells", "")))
    assert not PageReader(page).all("script")
    [image] = [image for image in PageReader(page).all("img") if image.attributes["alt"] == "cells"]
    head, _, body = (image.attributes["src"] or "").partition(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(body).decode() == svg


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org",
        "//example.org/x",
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "\\\\host\\x",
        "/etc",
        "a b",
    ],
)
def test_a_report_points_only_to_files_beside_it(address: str) -> None:
    with pytest.raises(ValueError, match="beside it"):
        render_patient(patient_report(index_href=address))


def test_a_picture_needs_one_content_and_words() -> None:
    from espark.report.content import Picture

    with pytest.raises(ValueError, match="either"):
        Picture(None, None, "alt", "")
    with pytest.raises(ValueError, match="either"):
        Picture(b"x", "<svg/>", "alt", "")
    with pytest.raises(ValueError, match="alternative text"):
        picture(" ")


def test_every_file_of_the_design_counts_in_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = shutil.copytree(Path(str(resources.files("espark.report"))), tmp_path / "report")
    monkeypatch.setattr(resources, "files", lambda _: room)
    before = design_fingerprint.__wrapped__()
    assert before == design_fingerprint()
    for name in ("templates/patient_ct.html", "templates/report.css", "words.py"):
        (room / name).write_text((room / name).read_text() + "\n")
        after = design_fingerprint.__wrapped__()
        assert after != before
        before = after


@pytest.mark.parametrize("contents", [{}, {"png": b"1", "jpeg": b"2"}, {"svg": "<svg/>", "jpeg": b"2"}])
def test_a_picture_has_one_content(contents: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either PNG bytes, SVG text or JPEG bytes"):
        Picture(**{"png": None, "svg": None, **contents}, alt="a dot", caption="")


def test_jpeg_stands_in_the_page_as_such() -> None:
    assert data_uri(Picture(None, None, "a dot", "", jpeg=b"abc")) == "data:image/jpeg;base64,YWJj"
