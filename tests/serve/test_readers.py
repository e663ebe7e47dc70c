"""A reader study: the order is drawn, answers stay hidden until they may be seen, the table can be analyzed."""

from __future__ import annotations

import csv
import io

import pytest
from small_study import Browser

from espark.statistics.auc import auc

CASES = ["P-1", "P-2", "P-3", "P-4"]
TRUTH = {"P-1": 1, "P-2": 0, "P-3": 1, "P-4": 0}


def begin(browser: Browser, seed: int = 1) -> int:
    return int(browser.post("/api/readings", {"reader": "Dr. B", "cases": CASES, "seed": seed}).json()["id"])


def state(browser: Browser, number: int) -> dict:
    return browser.client.get(f"/api/readings/{number}").json()


def give(browser: Browser, number: int, when: str, probability: float) -> int:
    position = state(browser, number)["position"]
    body = {"position": position, "probability": probability, "seconds": 3}
    return int(browser.post(f"/api/readings/{number}/{when}", body).status_code)


def test_each_case_comes_once_and_another_seed_gives_another_order(browser: Browser) -> None:
    orders = []
    for seed in (1, 1, 2, 3):
        number, seen = begin(browser, seed), []
        while not (now := state(browser, number))["done"]:
            seen.append(now["case"])
            assert give(browser, number, "before", 0.5) == 200
            assert give(browser, number, "after", 0.5) == 200
        orders.append(seen)
    assert all(sorted(order) == CASES for order in orders)
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) > 1


def test_neither_answer_nor_outcome_is_sent_before_it_may_be_seen(browser: Browser) -> None:
    number = begin(browser)
    case = state(browser, number)["case"]
    addresses = [f"/api/cases/{case}/{part}" for part in ("answer", "reasons")]
    assert [browser.client.get(address).json() for address in addresses] == [{"blinded": True}] * 2
    give(browser, number, "before", 0.4)
    assert all("blinded" not in browser.client.get(address).json() for address in addresses)
    assert browser.client.get(f"/api/cases/{case}").json()["known"] is None
    rows = browser.client.get("/api/study").json()["cases"]
    assert {row["known"] for row in rows} == {None}
    browser.post(f"/api/readings/{number}/leave")
    assert browser.client.get(f"/api/cases/{case}").json()["known"] is not None


def test_the_first_probability_cannot_be_changed_nor_the_second_given_first(browser: Browser) -> None:
    number = begin(browser)
    assert give(browser, number, "after", 0.9) == 422
    assert give(browser, number, "before", 0.2) == 200
    assert give(browser, number, "before", 0.8) == 422
    assert state(browser, number)["before"] == 0.2


@pytest.mark.parametrize("probability", [-0.1, 1.1, "likely"])
def test_a_probability_is_from_0_to_1(browser: Browser, probability: object) -> None:
    number = begin(browser)
    body = {"position": 0, "probability": probability, "seconds": 1}
    assert browser.post(f"/api/readings/{number}/before", body).status_code == 422


def test_the_table_and_the_aucs_agree(browser: Browser) -> None:
    given = {"P-1": (0.3, 0.8), "P-2": (0.6, 0.2), "P-3": (0.7, 0.9), "P-4": (0.1, 0.4)}
    number = begin(browser)
    while not (now := state(browser, number))["done"]:
        before, after = given[now["case"]]
        give(browser, number, "before", before)
        give(browser, number, "after", after)
    rows = list(csv.DictReader(io.StringIO(browser.client.get("/api/readings/export.csv").text)))
    assert {row["patient_id"]: (float(row["before"]), float(row["after"])) for row in rows} == given
    assert {row["patient_id"]: int(row["truth"]) for row in rows} == TRUTH
    (listed,) = browser.client.get("/api/readings").json()
    for column in ("before", "after"):
        expected = auc([int(row["truth"]) for row in rows], [float(row[column]) for row in rows])
        assert listed[column]["value"] == pytest.approx(expected.value)
        assert listed[column]["low"] == pytest.approx(expected.ci_low)
    assert listed["before"]["value"] == 0.75
    assert listed["difference"]["value"] == pytest.approx(0.25)


def test_a_name_is_no_formula_in_a_spreadsheet(browser: Browser) -> None:
    number = browser.post("/api/readings", {"reader": "=1+1", "cases": ["P-1"], "seed": 1}).json()["id"]
    give(browser, number, "before", 0.5)
    (row,) = csv.DictReader(io.StringIO(browser.client.get("/api/readings/export.csv").text))
    assert row["reader"] == "'=1+1"


def test_a_list_of_cases_that_do_not_exist_is_refused(browser: Browser) -> None:
    for cases in ([], ["P-9"], ["P-1", "P-1"]):
        assert browser.post("/api/readings", {"reader": "Dr. B", "cases": cases}).status_code == 422
