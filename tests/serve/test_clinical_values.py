"""A new patient of a model that looks at clinical values: the form asks for them, and a wrong one is named at once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from small_study import Browser

from espark.bundle.card import ClinicalCard
from espark.serve.workbench import Workbench

CARDS = (
    ClinicalCard(name="age", kind="number", unit="years"),
    ClinicalCard(name="sex", kind="category", levels=("female", "male")),
)


@pytest.fixture
def clinical(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Browser:
    card = SimpleNamespace(title="eSPARK", clinical=CARDS)
    monkeypatch.setattr(Workbench, "bundle", property(lambda _: SimpleNamespace(card=card)))
    monkeypatch.setattr(Workbench, "model_folder", property(lambda _: None))
    return browser


def finish(browser: Browser, values: dict[str, str]) -> tuple[int, str]:
    number = browser.post("/api/uploads/begin").json()["number"]
    browser.client.put(
        f"/api/uploads/{number}/files", params={"kind": "ct", "name": "a.dcm"}, content=b"x", headers=browser.headers
    )
    answer = browser.post(f"/api/uploads/{number}/finish", {"patient_id": "N-1", "clinical": values})
    return answer.status_code, answer.text


def test_the_form_is_given_the_columns_with_unit_and_levels(clinical: Browser) -> None:
    found = clinical.client.get("/api/study").json()["clinical"]
    assert found == [
        {"name": "age", "kind": "number", "unit": "years", "levels": []},
        {"name": "sex", "kind": "category", "unit": "", "levels": ["female", "male"]},
    ]


def test_without_a_model_the_form_asks_for_nothing(browser: Browser) -> None:
    assert browser.client.get("/api/study").json()["clinical"] == []


@pytest.mark.parametrize(("values", "named"), [({"age": "old"}, "old"), ({"agee": "60"}, "agee")])
def test_a_value_that_cannot_be_read_is_named_before_the_images_are(
    clinical: Browser, values: dict[str, str], named: str
) -> None:
    status, text = finish(clinical, values)
    assert status == 422 and named in text
    assert not (clinical.folder / "serve" / "patients").exists()


def test_good_values_are_kept_with_the_patient(clinical: Browser) -> None:
    assert (
        finish(
            clinical,
            {
                "age": "61",
                "sex": "male",
            },
        )[0]
        == 200
    )
    assert '"age": "61"' in (clinical.folder / "serve" / "patients" / "N-1" / "patient.json").read_text()
