"""A withheld answer is withheld everywhere: in Python, in ``prediction.json``, on the page and in its pictures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from espark.bundle.folder import load_bundle
from espark.cells import CELL_TYPES
from espark.ct.regions.plausibility import RegionDescription
from espark.report import words
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.patient_answer import PatientAnswer
from espark.steps.predict.predict import predict
from espark.steps.report import patient_page, pictures
from espark.steps.report.applicability_in_words import Applicable, applicability
from espark.training.inputs import Bag, Inputs
from espark.training.likeness.applicability import FEWEST_PATIENTS, Applicability, Likeness, View
from espark.work.progress import Reporter
from espark.workspace.config import StudySettings
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
NUMBERS = ("probability", "probability_sd", "members", "prediction", "conformal_set")


def patient_of(study: Path) -> NewPatient:
    return NewPatient(
        ct=study / "ct" / "B-0001",
        tumor_mask=study / "masks" / "B-0001_tumor.nii.gz",
        slides=(study / "slides" / "B-0001.tif",),
    )


def prediction_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "prediction.json").read_text(encoding="utf-8"))
    return found


def test_python_gets_no_number_of_a_withheld_answer(finished: Path, tmp_path: Path) -> None:
    """This study has fewer than ten development patients, so that nothing can be checked."""
    model, patient = finished / "models" / "espark", NewPatient(slides=(finished / "slides" / "B-0001.tif",))
    assert load_bundle(model).applicability == {}
    answer = predict(model, patient, tmp_path / "withheld", reporter=QUIET)
    assert answer.withheld and answer.applies is None
    (reason,) = answer.reasons
    assert "was not checked: fewer than 10 of them have slides" in reason
    assert [getattr(answer, name) for name in NUMBERS] == [None] * 5
    shown = predict(model, patient, tmp_path / "shown", show_withheld=True, reporter=QUIET)
    assert not shown.withheld and shown.reasons == answer.reasons
    assert shown.probability is not None and 0 < shown.probability < 1
    assert shown.members is not None and shown.probability == pytest.approx(np.mean(shown.members))
    assert shown.prediction in (0, 1) and shown.conformal_set in ("", "pcr", "no_pcr", "pcr;no_pcr")
    # Nothing of what is given on demand lies hidden in the answer that was withheld.
    everything = repr(dataclasses.asdict(answer))
    assert str(shown.probability) not in everything and str(shown.members[0]) not in everything


def test_the_file_and_the_page_hold_nothing_of_the_model(finished: Path, tmp_path: Path) -> None:
    model = finished / "models" / "espark"
    for name, show in (("withheld", False), ("shown", True)):
        predict(model, patient_of(finished), tmp_path / name, show_withheld=show, reporter=QUIET)
    withheld, shown = (prediction_of(tmp_path / name) for name in ("withheld", "shown"))
    for key in (*NUMBERS, "cell_types", "biomarkers"):
        assert withheld[key] is None and shown[key] is not None, key
    assert withheld["applicability"] == shown["applicability"] and withheld["applicability"]["applies"] is not True
    assert withheld["regions"] == shown["regions"] and withheld["slides"] == shown["slides"]
    pages = [(tmp_path / name / "report.html").read_text(encoding="utf-8") for name in ("withheld", "shown")]
    for said in (
        "Cell types",
        "Biomarkers",
        "Where the model looked",
        "The tiles that counted most",
        "NLR in the tissue",
    ):
        assert said not in pages[0] and said in pages[1], said
    overview = "Overview of slide 1, and the parts of it that are used"
    for said in (words.NOT_CHECKED, overview, "CT in axial, coronal and sagittal"):
        assert said in pages[0], said
    text = pages[0].split("Words used here")[0].lower().replace(StudySettings().disease, "")
    for cell_type in CELL_TYPES:
        assert cell_type.name not in text, cell_type.name


def test_pictures_of_a_withheld_page_are_not_even_drawn(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(*_: Any, **__: Any) -> None:
        raise AssertionError("a picture of what the model did")

    for name in ("gallery_picture", "heatmap_figure", "attribution_figure", "regions_figure"):
        monkeypatch.setattr(patient_page, name, drawn)
    predict(finished / "models" / "cytopath", patient_of(finished), tmp_path, reporter=QUIET)


def test_captions_speak_of_resemblance(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    real = pictures.tile_gallery_figure

    def spied(tiles: Any, captions: Any, **options: Any) -> Any:
        titles.extend(captions)
        return real(tiles, captions, **options)

    monkeypatch.setattr(pictures, "tile_gallery_figure", spied)
    predict(finished / "models" / "cytopath", patient_of(finished), tmp_path, show_withheld=True, reporter=QUIET)
    names = {cell_type.name for cell_type in CELL_TYPES}
    assert titles
    for number, title in enumerate(titles, start=1):
        start, name = title.split("\n")
        assert start == f"{number}. resembles" and name in names


def test_a_real_slide_is_declared_not_applicable_and_described_without_the_model(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    patient = NewPatient(slides=(data / "slides" / "cmu-1-small-region.svs",))
    answer = predict(finished / "models" / "cytopath", patient, tmp_path, reporter=QUIET)
    assert answer.withheld and answer.applies is False
    assert "trained on simulated patients only, and the slides given here are real" in answer.reasons[0]
    found, page = prediction_of(tmp_path), (tmp_path / "report.html").read_text(encoding="utf-8")
    assert found["cell_types"] is found["biomarkers"] is None
    assert found["slides"][0]["tiles"] > 0 and f"{found['slides'][0]['tiles']} tiles" in page
    for said in ("umor cell", "resembles", "Biomarkers", "not of the disease"):
        assert said not in page.split("Words used here")[0], said
    assert "Not applicable" in page


def test_pages_of_a_study_are_withheld_too(finished: Path) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (finished / "report" / "patients").glob("*.html")]
    assert pages and all("No probability is given" in page and "was not checked" in page for page in pages)
    workspace = open_workspace(finished)
    for path in (finished / "prepared" / "records").glob("*/report.json"):
        assert json.loads(path.read_text())["withheld"] is True
    index = (finished / "report" / "index.html").read_text(encoding="utf-8")
    assert f"{len(pages)} of {len(workspace.cohort.used)} answers are withheld" in index.replace("\u202f", " ")


# Words and reasons


class _Far:
    """Applicability with distances of one's own choice."""

    patients, rate = 160, 0.025

    def __init__(self, distance: float, limit: float = 3.0, shift: float = 1.0):
        self._found = Likeness(distance, limit, shift, 5.0, 10.0)

    def compare(self, view: Any) -> Likeness:
        return self._found


def bundle_with(checks: dict[str, Any], *, simulated: bool = False, volumes: tuple[float, ...] = ()) -> Any:
    from espark.bundle.bundle import Bundle

    card = SimpleNamespace(
        model="espark",
        training=SimpleNamespace(simulated=simulated, n=160),
        reference=SimpleNamespace(tumor_volume_ml=volumes),
    )
    return Bundle(card, (), checks)  # type: ignore[arg-type]


def inputs_of(*, ct: bool = True, slides: bool = True) -> Inputs:
    radiomics = np.ones((1, 2), np.float32) if ct else np.full((1, 2), np.nan, np.float32)
    bag = Bag(np.ones((3, 4), np.float32), None) if slides else None
    return Inputs(("p",), ("tumor",), (("a", "b"),), radiomics, (bag,))


def test_a_patient_within_both_limits_is_given_an_answer() -> None:
    found = applicability(bundle_with({"ct": _Far(2.9), "slides": _Far(3.0)}), inputs_of())
    assert found.applies is True and found.doubts == ()
    assert {name: (one.distance, one.limit) for name, one in found.likeness.items()} == {
        "ct": (2.9, 3.0), "slides": (3.0, 3.0)
    }  # fmt: skip
    assert found.notes == ()


def test_a_new_scanner_is_noted_and_the_answer_is_given() -> None:
    found = applicability(bundle_with({"ct": _Far(1.0, shift=6.0), "slides": _Far(1.0)}), inputs_of())
    assert found.applies is True and found.doubts == ()
    (note,) = found.notes
    assert note.startswith("The CT looks as if it came from a scanner or a protocol that the model does not know")


def test_what_no_scanner_explains_is_withheld() -> None:
    found = applicability(bundle_with({"ct": _Far(1.0), "slides": _Far(1.0, shift=10.1)}), inputs_of())
    assert found.applies is False and found.notes == ()
    (reason,) = found.reasons
    assert "than another stain or scanner explains" in reason and "the limit is 10.0" in reason


def test_few_patients_give_a_limit_that_says_how_sure_it_is() -> None:
    few = _Far(1.0)
    few.patients, few.sure = 20, (0.001, 0.168)  # type: ignore[attr-defined]
    (note,) = applicability(bundle_with({"ct": few, "slides": _Far(1.0)}), inputs_of()).notes
    assert "comes from 20 development patients" in note and "under 1\u202f% to 17\u202f%" in note


@pytest.mark.parametrize("distance", [3.1, float("inf"), float("nan")])
def test_a_ct_beyond_the_limit_differs_and_nothing_more_is_claimed(distance: float) -> None:
    found = applicability(bundle_with({"ct": _Far(distance), "slides": _Far(1.0)}), inputs_of())
    assert found.applies is False
    (reason,) = found.reasons
    assert reason.startswith("The CT differs from those of the 160 development patients by more than the limit")
    assert "disease" not in reason and "the limit is 3.0" in reason


@pytest.mark.parametrize(
    ("there", "checks", "unchecked"),
    [
        ({}, {}, ("CT", "slides")),
        ({}, {"ct": _Far(1.0)}, ("slides",)),
        ({"slides": False}, {"slides": _Far(1.0)}, ("CT",)),
        ({"slides": False}, {"ct": _Far(1.0)}, ()),
        ({"ct": False}, {"ct": _Far(1.0)}, ("slides",)),
    ],
)
def test_what_was_not_checked_is_named_and_only_what_is_there(
    there: dict[str, bool], checks: dict[str, Any], unchecked: tuple[str, ...]
) -> None:
    found = applicability(bundle_with(checks), inputs_of(**there))
    assert found.reasons == () and found.applies is (None if unchecked else True)
    assert len(found.unchecked) == len(unchecked)
    for sentence, what in zip(found.unchecked, unchecked, strict=True):
        assert sentence.startswith(f"Whether the {what} ") and f"fewer than {FEWEST_PATIENTS}" in sentence


def test_a_reason_against_weighs_more_than_what_was_not_checked() -> None:
    found = applicability(bundle_with({"ct": _Far(9.0)}), inputs_of())
    assert found.applies is False and len(found.reasons) == len(found.unchecked) == 1
    assert len(found.doubts) == 2


def test_a_model_of_simulated_patients_says_nothing_of_real_ones() -> None:
    bundle = bundle_with({"ct": _Far(1.0), "slides": _Far(1.0)}, simulated=True)
    assert applicability(bundle, inputs_of(), simulated=True).applies is True
    (reason,) = applicability(bundle, inputs_of()).reasons
    assert "simulated patients only, and the CT and slides given here are real" in reason


def test_a_tumor_of_another_size_is_a_reason() -> None:
    tumor = RegionDescription(
        volume_ml=160.0, length_mm=70.0, max_axial_diameter_mm=40.0, mean_hu=30.0, air_share=0.0, shell_air_share=0.1,
        touches_border=False, components=1, midline_offset=0.01, body_width_mm=350.0, median_hu=35.0, soft_share=0.95,
        bright_share=0.0, shell_lung_share=0.1, largest_part=1.0, chest_depth=0.55,
    )  # fmt: skip
    checks = {"ct": _Far(1.0), "slides": _Far(1.0)}
    (reason,) = applicability(bundle_with(checks, volumes=(2.0, 79.0)), inputs_of(), tumor=tumor).reasons
    assert "160.0 ml" in reason
    assert applicability(bundle_with(checks, volumes=(2.0, 80.0)), inputs_of(), tumor=tumor).applies is True


def test_an_answer_holds_numbers_only_where_the_case_does() -> None:
    prediction = SimpleNamespace(
        modality="ct", probability=0.7, probability_sd=0.1, members=(0.6, 0.8), prediction=1, conformal_set="positive"
    )
    card = SimpleNamespace(outcome=SimpleNamespace(set_name=lambda name: {"positive": "pcr"}[name]))
    for applicable in (Applicable((), {}), Applicable(("far",), {}), Applicable((), {}, ("not checked",))):
        for withheld in (False, True):
            case: Any = SimpleNamespace(
                patient_id="p", prediction=prediction, applicable=applicable, withheld=withheld, robustness=None
            )
            answer = PatientAnswer.of(case, card)  # type: ignore[arg-type]
            assert [getattr(answer, name) is None for name in NUMBERS] == [withheld] * 5
            assert answer.reasons == applicable.doubts and answer.applies is applicable.applies
    assert answer.withheld


def test_ten_patients_are_enough_to_be_compared_with() -> None:
    rows = [np.random.default_rng(seed).normal(size=(1, 4)).astype(np.float32) for seed in range(FEWEST_PATIENTS)]
    check = Applicability.fit([View(None, row) for row in rows])
    assert np.isfinite(check.compare(View(None, rows[0])).limit) and check.compare(View(None, rows[0] + 100)).foreign
