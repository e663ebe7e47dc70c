"""What a patient's report says, and what it must not say."""

from __future__ import annotations

import dataclasses
import html
import re
from typing import Any

import pytest
from report_examples import PNG, patient_report, picture
from statsmodels.stats.proportion import proportion_confint

from espark.report import words
from espark.report.answer import answer_of
from espark.report.drawn.bar import probability_bar
from espark.report.patient_content import CellTypeRow, CtEffect, Position, SideRow
from espark.report.patient_html import render_patient
from espark.report.picture import Picture
from espark.wording import UNNAMED
from page_reader import PageReader


def _text(page: str) -> str:
    """The page's words in reading order, without its style."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u202f", " ").split())


def _place(page: str, word: str) -> int:
    assert word in page, f"{word!r} is not in the page"
    return page.index(word)


@pytest.mark.parametrize(
    ("conformal_set", "prediction", "kind", "headline"),
    [
        ("positive", 1, "likely", "pCR likely"),
        ("negative", 0, "unlikely", "pCR unlikely"),
        ("positive;negative", 1, "not-sure", "Not sure"),
        ("positive;negative", 0, "not-sure", "Not sure"),
        ("", 0, "not-sure", "Fits neither"),
    ],
)
def test_the_headline_follows_the_conformal_set(conformal_set: str, prediction: int, kind: str, headline: str) -> None:
    report = patient_report(conformal_set=conformal_set, prediction=prediction)
    answer = answer_of(report)
    assert (answer.kind, answer.headline, answer.caveat) == (kind, headline, "")
    assert f"{answer.mark} {headline}" in _text(render_patient(report))


@pytest.mark.parametrize(("conformal_set", "prediction"), [("positive", 0), ("negative", 1)])
def test_a_call_against_the_conformal_set_is_named(conformal_set: str, prediction: int) -> None:
    report = patient_report(conformal_set=conformal_set, prediction=prediction)
    assert "Read this as not sure" in _text(render_patient(report))


@pytest.mark.parametrize(
    "changes", [{"conformal_set": "maybe"}, {"conformal_set": "positive|negative"}, {"prediction": 2}]
)
def test_an_answer_that_has_no_words_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="found"):
        render_patient(patient_report(**changes))


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_lies_between_0_and_1(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        patient_report(probability=probability)


def test_the_first_page_holds_the_answer_with_its_uncertainty() -> None:
    text = _text(render_patient(patient_report()).split('id="ct"')[0])
    for words_of_the_answer in (
        "73 % ± 5 %",
        "mean ± SD of 10 models",
        "threshold 38 %",
        "no more than 10 of 100 patients",
        "91 % (95 % interval 86–95) of these 160 patients. Of all 160, 48 had pCR.",
        "CT, tumor 160.7 ml",
        "CT, esophagus with tumor missing",
        "1 slide 3 148 tiles",
        "The esophagus scale was missing: no contour was given.",
        "pCR likely this patient 60 % (39–78) 12 of 20 had pCR (PPV)",
        "pCR unlikely 81 % (68–89) 42 of 52 had no pCR (NPV)",
        "How common pCR is 30 % (48 of 160)",
        "In the cohort “development (out of fold)”, 12 of 20 patients with this answer had pCR",
        "does not compare treatments",
    ):
        assert words_of_the_answer in text


def test_the_interval_of_a_percentile_is_wilsons() -> None:
    low, high = proportion_confint(146, 160, method="wilson")
    assert f"(95 % interval {100 * low:.0f}–{100 * high:.0f})" in _text(render_patient(patient_report()))


def test_the_bar_puts_everything_in_its_place() -> None:
    bar = probability_bar(patient_report(probability=0.5, probability_sd=0.6, threshold=0.25, members=(0.0, 1.0)))
    assert (bar.left, bar.threshold, bar.mean, bar.right) == (10, 175, 340, 670)
    assert (bar.low, bar.high) == (bar.left, bar.right)
    assert bar.members == (bar.left, bar.right)
    assert [bar.anchor(place) for place in (bar.left, bar.mean, bar.right)] == ["start", "middle", "end"]


@pytest.mark.parametrize(("threshold", "hidden"), [(0.5, "50 %"), (0.48, "50 %"), (0.25, "25 %"), (0.38, None)])
def test_the_line_of_the_threshold_crosses_no_number(threshold: float, hidden: str | None) -> None:
    texts = [text.replace("\u202f", " ") for _, text in probability_bar(patient_report(threshold=threshold)).ticks]
    whole = ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert texts == ["" if text == hidden else text for text in whole]


@pytest.mark.parametrize("probability", [0.0, 0.02, 0.1, 0.3, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.38, 0.9, 1.0])
def test_the_names_of_the_calls_never_lie_under_the_mean(probability: float, threshold: float) -> None:
    bar = probability_bar(patient_report(probability=probability, threshold=threshold))
    for start, end in ((bar.left, bar.threshold), (bar.threshold, bar.right)):
        place = bar.zone_name(start, end, "call: no pCR")
        if place is not None:
            x, anchor = place
            low, high = (x, x + 72) if anchor == "start" else (x - 72, x)
            assert start <= low and high <= end
            assert not low <= bar.mean <= high


def test_a_call_by_majority_counts_the_votes() -> None:
    report = patient_report(voting="majority", threshold=0.75, prediction=0, conformal_set="negative")
    text = _text(render_patient(report))
    assert "Plain yes/no call by majority: no pCR , because 4 of 10 models reach the threshold." in text
    assert "vote: no pCR" in text
    alone = _text(render_patient(patient_report(voting="majority", n_models=1, members=(0.7312,))))
    assert "call at the threshold" in alone


def test_clinical_values_that_were_looked_at_are_named() -> None:
    text = _text(render_patient(patient_report(clinical=(("age", "63 years"), ("sex", "male")))))
    assert "looked at: CT and slides, with clinical values" in text
    assert "Clinical values age 63 years, sex male CT, tumor" in text
    assert "linical values" not in _text(render_patient(patient_report()))


def test_a_single_model_has_no_spread() -> None:
    report = patient_report(n_models=1, members=(0.44,), probability=0.44, probability_sd=0.0)
    page = render_patient(report)
    assert "one model, so no spread" in _text(page)
    assert "±" not in _text(page).split("Behind this report")[0]
    assert 'class="member"' not in page


def test_a_patient_outside_meets_the_reason_before_the_number() -> None:
    reason = "This CT does not look like the disease the model is for: 9.4 times the limit"
    page = render_patient(patient_report(outside=(reason,), simulated_model=True))
    assert _place(page, reason) < _place(page, 'class="headline"') < _place(page, 'class="number"')
    text = _text(page)
    assert "not applicable: 73 %" in text
    assert "These figures do not hold for this patient" in text
    assert "▲ pCR likely The" not in text and "call: pCR" not in text
    assert "likely this patient" not in text


_SLIDE = patient_report().slides[0]
_CT: Any = patient_report().ct
_ANSWERS: list[dict[str, Any]] = [
    {},
    {"probability": 0.1234, "members": (0.1, 0.15), "n_models": 10},
    {"probability": float("nan"), "members": (), "probability_sd": float("nan")},
    {"threshold": 0.9, "prediction": 0, "conformal_set": "negative", "coverage": 0.8},
    {"position": Position(Picture(PNG + b"other", None, "another place", "11 %"), 11.0, 160, 48)},
    {"cell_types": (), "cell_type_picture": None},
    {"cell_types": (CellTypeRow("major", "tumor cell", 0.99, 98.0),)},
    {"biomarkers": ()},
    {"slides": (dataclasses.replace(_SLIDE, heatmap=picture("another heatmap"), gallery=None, n_chosen=3148),)},
    {"slides": (dataclasses.replace(_SLIDE, attribution=picture("tiles"), regions=picture("regions")),)},
    {"slide_findings": ("The model looked more at tiles that resemble tumor cells",)},
    {"slide_answer_findings": ("These tiles lower the log-odds",)},
    {"ct": dataclasses.replace(_CT, n_features=7)},
    {"ct": dataclasses.replace(_CT, effects=(CtEffect("Tumor: all features", "", 107, 0.83, 9, 10),))},
    {"ct": dataclasses.replace(_CT, voxel_maps=picture("voxel maps"))},
]


@pytest.mark.parametrize("outside", [(), ("This CT looks different",)])
def test_a_withheld_answer_leaves_no_trace(outside: tuple[str, ...]) -> None:
    withheld = dataclasses.replace(patient_report(outside=outside, withheld=True))
    pages = {render_patient(dataclasses.replace(withheld, **changes)) for changes in _ANSWERS}
    attribution = dataclasses.replace(patient_report().ct, attribution=picture("another attribution"))
    pages.add(render_patient(dataclasses.replace(withheld, ct=attribution)))
    # Whatever the answer was, the page is the same, so nothing in it can tell.
    assert len(pages) == 1
    text = _text(pages.pop())
    assert words.NOT_APPLICABLE in text and words.WITHHELD[False] in text
    for trace in ("± 5 %", "0.73", "threshold 38 %", "91 %", "▲ pCR likely The", "likely this patient"):
        assert trace not in text


def test_a_withheld_page_says_at_once_that_there_is_no_answer_why_and_what_it_cannot_say() -> None:
    reason = "This CT looks different"
    report = patient_report(outside=(reason,), withheld=True, simulated_model=True)
    first = _text(render_patient(report).split('id="ct"')[0])
    order = [words.NOT_APPLICABLE, words.WITHHELD[False], reason, "What this report can say", "What it cannot say"]
    assert [_place(first, said) for said in order] == sorted(_place(first, said) for said in order)
    cannot = first.split("What it cannot say")[1]
    for said in (
        "How likely pCR is in this patient",
        words.NO_TREATMENT,
        "esophagus scale was missing",
        "they are simulated and this",
    ):
        assert said in cannot
    assert "What each answer has meant" not in first and "Compared with" not in first
    assert "What it cannot say" not in _text(render_patient(patient_report()))


def test_a_withheld_page_explains_no_word_of_an_answer() -> None:
    page = render_patient(patient_report(withheld=True))
    assert not [key for key in words.ANSWER_TERMS if f'id="term-{key}"' in page]
    whole = render_patient(patient_report())
    assert all(f'id="term-{key}"' in whole for key in words.ANSWER_TERMS)


def test_a_real_patient_is_on_no_side_of_a_cutoff_that_simulated_ones_set() -> None:
    page = _text(render_patient(patient_report(simulated_model=True, simulated_patient=False)))
    assert "NLR in the tissue: 0.312" in page
    assert "Cut-off" not in page.split("Words used here")[0] and "cut-off was set" not in page


def test_a_patient_without_a_name_is_a_new_one() -> None:
    page = render_patient(patient_report(patient_id=UNNAMED))
    assert [title.text() for title in PageReader(page).all("h1")] == [words.NEW_PATIENT]
    assert UNNAMED not in page


@pytest.mark.parametrize(
    ("log_odds", "printed"),
    [(-0.25, ("−0.25", "against (4 of 5)")), (0.25, ("+0.25", "for (4 of 5)")), (0.001, ("0.00", "none"))],
)
def test_what_features_added_has_a_true_sign_and_a_direction_only_where_there_is_one(
    log_odds: float, printed: tuple[str, str]
) -> None:
    ct = patient_report().ct
    assert ct is not None
    effect = CtEffect("Tumor: Brightness", "how bright it is", 18, log_odds, 4, 5)
    page = PageReader(render_patient(patient_report(ct=dataclasses.replace(ct, effects=(effect,)))))
    [row] = [row for row in page.all("tr") if row.children[0].text().startswith("Tumor: Brightness")]
    assert tuple(cell.text() for cell in row.children[2:]) == printed


@pytest.mark.parametrize(
    ("model", "patient", "notices"),
    [
        (False, False, []),
        (True, False, [words.SIMULATED_MODEL]),
        (True, True, [words.SIMULATED]),
        (False, True, [words.SIMULATED_PATIENT]),
    ],
)
def test_simulation_is_named_on_every_page(model: bool, patient: bool, notices: list[str]) -> None:
    page = render_patient(patient_report(simulated_model=model, simulated_patient=patient))
    [running] = [element for element in PageReader(page).elements if element.attributes.get("class") == "running"]
    found = [child.text() for child in running.children[1].children]
    assert found == [*notices, words.RESEARCH_USE]
    assert ("Measured on simulated patients" in page) == model
    assert (words.SIMULATED_MODEL_LONG in _text(page)) == model
    assert (words.SIMULATED_PATIENT_LONG in _text(page)) == patient


def test_a_development_patient_is_told_apart_from_a_trained_one() -> None:
    honest = _text(render_patient(patient_report(role="development", center="CC", out_of_fold=True, label=1)))
    assert "the answer is out-of-fold" in honest and words.FLATTERED not in honest
    assert "known outcome: pCR" in honest and "Center CC" in honest
    flattering = _text(render_patient(patient_report(role="development", center="CC", out_of_fold=False)))
    assert words.FLATTERED in flattering.split("Compared with")[0]


@pytest.mark.parametrize(("conformal_set", "prediction", "row"), [("positive", 1, 0), ("", 1, 1), ("negative", 0, 2)])
def test_the_row_of_this_patients_answer_is_marked(conformal_set: str, prediction: int, row: int) -> None:
    page = render_patient(patient_report(conformal_set=conformal_set, prediction=prediction))
    [table] = [e for e in PageReader(page).all("table") if e.attributes.get("class") == "record"]
    rows = [child for part in table.children if part.tag == "tbody" for child in part.children]
    assert [part.attributes.get("class") for part in rows] == ["mine" if index == row else None for index in range(3)]


def test_nobody_got_an_answer_is_said_and_no_share_made_up() -> None:
    text = _text(render_patient(patient_report()))
    assert "12 of 20 had pCR (PPV) no patient got it" in text
    alone = _text(render_patient(patient_report(record=())))
    assert "Not known: no patient with a known outcome" in alone


def test_what_a_missing_modality_costs_stands_on_the_first_page() -> None:
    first = _text(render_patient(patient_report(modality="ct", slides=())).split('id="ct"')[0])
    assert "AUC 0.66 (0.56–0.74) instead of 0.75 (0.66–0.82) in 158 development patients" in first
    assert "a change of −0.09 (−0.17 to −0.01)" in first
    assert "instead of" not in _text(render_patient(patient_report()))


def test_a_real_patient_is_not_placed_among_simulated_ones() -> None:
    text = _text(render_patient(patient_report(simulated_model=True)))
    assert "they are simulated and this patient is not" in text and "of 158" not in text
    assert "of 158" in _text(render_patient(patient_report(simulated_model=True, simulated_patient=True)))


def test_what_is_not_known_is_said_and_not_drawn() -> None:
    page = render_patient(patient_report())
    tree = PageReader(page)
    [row] = [row for row in tree.all("tr") if row.children[0].text() == "lymphocyte"]
    assert row.children[2].text().strip() == "not known"
    [row] = [row for row in tree.all("tr") if row.children[0].text() == "neutrophil"]
    assert "of 158" in row.children[2].text()
    [row] = [row for row in tree.all("tr") if row.children[0].text() == "immune cell"]
    assert "of 160" in row.children[2].text()


def test_groups_of_cell_types_keep_their_order() -> None:
    rows = (*patient_report().cell_types, CellTypeRow("tumor", "well-differentiated tumor cell", 1.0, 50.0))
    text = _text(render_patient(patient_report(cell_types=rows)))
    assert _place(text, "Major cell types") < _place(text, "Immune cells") < _place(text, "Tumor cells")


def test_a_page_explains_only_the_words_it_uses() -> None:
    ct_only = patient_report(
        modality="ct", slides=(), cell_types=(), cell_type_picture=None, biomarkers=(), missing=("No slide was given",)
    )
    page = render_patient(ct_only)
    assert "term-radiomics" in page and "term-attention" not in page and 'id="cells"' not in page
    assert "Slides missing" in _text(page)
    page = render_patient(patient_report(modality="slides", ct=None))
    assert "term-radiomics" not in page and "term-nlr" in page and 'id="ct"' not in page
    assert "CT missing" in _text(page)


def test_the_tissue_nlr_is_never_taken_for_the_blood_nlr() -> None:
    text = _text(render_patient(patient_report()))
    assert "The blood NLR is a different quantity" in text


def test_every_term_a_report_may_ask_for_exists() -> None:
    asked = (*words.PATIENT_TERMS, *words.CT_TERMS, *words.SLIDE_TERMS, *words.STUDY_TERMS)
    assert set(asked) <= set(words.TERMS)
    assert all(term.key == key and term.meaning.endswith(".") for key, term in words.TERMS.items())


def test_each_side_of_a_cutoff_says_what_it_has_meant() -> None:
    page = render_patient(patient_report())
    text = _text(page)
    assert "Cut-off 0.840" in text and "This patient lies on the low side , where pCR is expected more often" in text
    [header] = [cell for cell in PageReader(page).all("th") if "this patient’s side" in cell.text()]
    assert header.text().startswith("At or below 0.840")
    assert "12 of 30: 40 % (25–58)" in text and "4.67 (1.42–15.36)" in text
    assert "The two sides did not differ clearly" not in text and "half was added" not in text
    [marker] = patient_report().biomarkers
    row = SideRow("external HN", "12 of 30: 40 % (25–58)", "0 of 4: 0 % (0–49)", "6.32* (0.31–129)")
    unclear = dataclasses.replace(marker, favorable="high", sides=(row,))
    text = _text(render_patient(patient_report(biomarkers=(unclear,), outside=("This slide looks different",))))
    assert "where pCR is expected less often" in text and "At or above 0.840" in text
    assert "The two sides did not differ clearly in any cohort" in text and "half was added to each count" in text
    assert "They do not hold for this patient" in text
    without = dataclasses.replace(marker, cutoff=None, picture=None, sides=())
    assert "Cut-off" not in _text(render_patient(patient_report(biomarkers=(without,)))).split("Words used here")[0]


def test_a_real_patient_is_not_drawn_among_simulated_ones() -> None:
    pictures = ("cell types", "the patient's NLR")
    for simulated, shown in ((True, False), (False, True)):
        page = PageReader(render_patient(patient_report(simulated_model=simulated)))
        alternatives = [image.attributes["alt"] for image in page.all("img")]
        assert all((name in alternatives) == shown for name in pictures)


def test_cells_that_are_not_reliable_are_left_out_and_the_reason_is_given() -> None:
    reason = "The tissue does not look like the tissue on which the encoder was fitted. [D-SLIDE-007]"
    doubted = patient_report(cell_types=(), cell_type_picture=None, biomarkers=(), unreliable_cells=(reason,))
    page = _text(render_patient(doubted))
    assert page.count(words.CELLS_UNRELIABLE) == 2  # in short, and in its own section
    assert reason in page
    for said in ("resemble each cell type", "NLR", "Differentiation", "neutrophil", "Tumor cell"):
        assert said not in page, said
    assert words.CELLS_UNRELIABLE not in _text(render_patient(patient_report()))


def test_outside_of_what_the_model_knows_the_cells_are_among_what_the_report_cannot_say() -> None:
    doubted = patient_report(cell_types=(), biomarkers=(), unreliable_cells=("A reason.",), outside=("Far away.",))
    page = _text(render_patient(doubted))
    assert _place(page, "What it cannot say") < _place(page, words.NO_RELIABLE_CELLS)
    assert page.count(words.CELLS_UNRELIABLE) == 1
