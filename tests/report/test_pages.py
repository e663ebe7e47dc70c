"""What holds for every page, whatever it says."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_examples import patient_report, picture, study_report, with_every_text

import espark
from another_outcome import MPR, traces_of_the_default
from espark.outcome import BOTH, NEGATIVE, POSITIVE
from espark.report import words
from espark.report.formatting import data_uri
from espark.report.pages import design_fingerprint
from espark.report.patient_html import render_patient
from espark.report.picture import Picture
from espark.report.study_html import render_study
from page_reader import PageReader
from page_rules import RULES

PAGES: dict[str, Callable[[], str]] = {
    "patient": lambda: render_patient(patient_report()),
    "patient of a simulated study": lambda: render_patient(
        patient_report(
            simulated_model=True, simulated_patient=True, role="development", center="CC", label=0, out_of_fold=True,
            n_models=1, members=(0.44,), probability=0.44, probability_sd=0.0, conformal_set="positive;negative",
            index_href="../index.html",
        )
    ),
    "CT only, unlikely": lambda: render_patient(
        patient_report(
            modality="ct", slides=(), cell_types=(), cell_type_picture=None, biomarkers=(), probability=0.0,
            members=(0.0,) * 10, probability_sd=0.0, prediction=0, conformal_set="negative", validation=(), quality=(),
        )
    ),
    "slides only": lambda: render_patient(
        patient_report(modality="slides", ct=None, slides=patient_report().slides * 2, conformal_set="")
    ),
    "outside": lambda: render_patient(patient_report(outside=("This CT looks different: 9 times the limit",))),
    "withheld": lambda: render_patient(patient_report(outside=("This CT looks different",), withheld=True)),
    "another outcome": lambda: render_patient(patient_report(outcome=MPR, label=1)),
    "study": lambda: render_study(study_report()),
    "study of another outcome": lambda: render_study(study_report(outcome=MPR)),
    "simulated study": lambda: render_study(study_report(simulated=True)),
    "empty study": lambda: render_study(
        study_report(
            summary=(), cohorts=(), set_aside=(), failed=(), metrics=(), sections=(), patients=(), methods=(),
            choices=(), provenance=(), flow=None, checklist=(),
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_the_rules(name: str, rule: str) -> None:
    RULES[rule](PAGES[name]())


_ANSWERS: list[dict[str, Any]] = [
    {"conformal_set": POSITIVE, "prediction": 1},
    {"conformal_set": NEGATIVE, "prediction": 0},
    {"conformal_set": BOTH, "voting": "majority"},
    {"conformal_set": "", "role": "development", "center": "CC", "label": 0},
    {"outside": ("This CT looks different",)},
    {"outside": ("This CT looks different",), "withheld": True},
]


@pytest.mark.parametrize("changes", _ANSWERS)
def test_a_page_names_the_outcome_of_its_study_alone(changes: dict[str, Any]) -> None:
    page = render_patient(patient_report(outcome=MPR, disease="gastric cancer", **changes))
    assert "MPR" in page and "major pathological response" in page and "gastric cancer" in page
    assert not traces_of_the_default(page)
    page = render_study(study_report(outcome=MPR, disease="gastric cancer"))
    assert "Probability of MPR" in page and "MPR, major pathological response" in page
    assert not traces_of_the_default(page) and "immunochemotherapy" not in page


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("well formed", "</main>", ""),
        ("well formed", '<html lang="en">', "<html>"),
        ("well formed", "<tbody>", "<tbody><p>no row</p>"),
        ("well formed", "<p>", "<p><div>a block in a paragraph</div>"),
        ("well formed", "<p>", "<p>salt & pepper &madeup; "),
        ("well formed", 'id="ct"', 'id="answer"'),
        ("well formed", 'href="#behind"', 'href="#nowhere"'),
        ("well formed", "<img ", '<img alt="twice" '),
        ("headings leave out no level", "<h2>In short</h2>", "<h4>In short</h4>"),
        ("tables are even and their headers say what they head", ' scope="row"', ""),
        ("tables are even and their headers say what they head", "<tr>", "<tr><td>one more</td>"),
        ("every picture has words", 'alt="three planes"', 'alt=" "'),
        ("every picture has words", 'role="img"', ""),
        ("asks nobody for anything", 'src="data:image/png;base64,', 'src="https://example.org/'),
        ("asks nobody for anything", "<main>", '<main><link href="other.css">'),
        ("only the scripts that the policy admits", "<main>", "<main><script>alert(1)</script>"),
        ("only the scripts that the policy admits", "<main>", '<main onclick="alert(1)">'),
        ("numbers and names as a person writes them", "73\u202f%", "73 %"),
        ("numbers and names as a person writes them", "CT has 3 mm", "CT has -3 mm"),
        ("numbers and names as a person writes them", "CT has 3 mm", "CT has nan mm"),
        ("numbers and names as a person writes them", "CT has 3 mm", "CT has 3e-05 mm"),
        ("numbers and names as a person writes them", "CT has 3 mm", "slice_thickness is 3 mm"),
        ("every printed page carries the research notice", words.RESEARCH_USE, "For every use"),
    ],
)
def test_a_broken_page_breaks_its_rule(rule: str, good: str, bad: str) -> None:
    page = PAGES["patient"]()
    assert good in page
    with pytest.raises(AssertionError):
        RULES[rule](page.replace(good, bad, 1))


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
    from espark.report.picture import Picture

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
    from espark.report.picture import Picture

    with pytest.raises(ValueError, match="either"):
        Picture(None, None, "alt", "")
    with pytest.raises(ValueError, match="either"):
        Picture(b"x", "<svg/>", "alt", "")
    with pytest.raises(ValueError, match="alternative text"):
        picture(" ")


def test_every_file_that_a_page_rests_on_counts_in_its_hash(tmp_path: Path) -> None:
    without_weights = shutil.ignore_patterns("*.safetensors", "__pycache__")
    package = Path(shutil.copytree(Path(espark.__file__).parent, tmp_path / "espark", ignore=without_weights))
    before = design_fingerprint.__wrapped__(package)
    assert before == design_fingerprint()
    for name in ("report/templates/patient_ct.html", "report/templates/report.css", "steps/report/study_cells.py"):
        (package / name).write_text((package / name).read_text(encoding="utf-8") + "\n", encoding="utf-8")
        after = design_fingerprint.__wrapped__(package)
        assert after != before
        before = after
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "words.pyc").write_bytes(b"x")
    assert design_fingerprint.__wrapped__(package) == before


@pytest.mark.parametrize("contents", [{}, {"png": b"1", "jpeg": b"2"}, {"svg": "<svg/>", "jpeg": b"2"}])
def test_a_picture_has_one_content(contents: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either PNG bytes, SVG text or JPEG bytes"):
        Picture(**{"png": None, "svg": None, **contents}, alt="a dot", caption="")


def test_jpeg_stands_in_the_page_as_such() -> None:
    assert data_uri(Picture(None, None, "a dot", "", jpeg=b"abc")) == "data:image/jpeg;base64,YWJj"
