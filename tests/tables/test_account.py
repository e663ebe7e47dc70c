"""Ids, levels and numbers that look wrong, and those that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from espark.tables.account import levels_written_differently, values_like_codes
from espark.tables.identity import match_ids, same_spelling
from espark.tables.read import read_table
from espark.tables.table import to_number

AGES = [float(age) for age in range(40, 86)]


@pytest.mark.parametrize("other", ["8", "008", "8.0", "0008.00", " 8", "８"])
def test_spellings_of_one_id(other: str) -> None:
    assert same_spelling(other) == same_spelling("08")


@pytest.mark.parametrize("other", ["80", "18", "8.1", "8a", "1008"])
def test_other_ids_stay_other(other: str) -> None:
    assert same_spelling(other) != same_spelling("8")


def test_matching_ids() -> None:
    found = match_ids(["008", "010", "P-11", "012"], ["8", "010", "p11", "99"])
    assert found.matched == ("010",) and found.without_row == ("008", "P-11", "012")
    assert found.near == (("008", "8"), ("P-11", "p11")) and "99" in found.without_patient
    assert found.near_misses == "008 is written 8, P-11 is written p11"


@pytest.mark.parametrize(
    ("levels", "groups"),
    [
        (["T3", "t3", "3", "3.0", "T2", "none"], [("T3", "t3", "3", "3.0")]),
        (["male", "Male ", "female"], [("male", "Male ")]),
        (["N1", "T1"], []),
        (["yes", "no", "none"], []),
        (["1-2", "12"], []),
        (["IIA", "IIIA"], []),
    ],
)
def test_levels_that_may_be_one(levels: list[str], groups: list[tuple[str, ...]]) -> None:
    assert [set(group) for group in levels_written_differently(levels)] == [set(group) for group in groups]


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([*AGES, 999.0, 999.0], [999.0]),
        ([*AGES, 999.0, 998.0, 998.0], [998.0, 999.0]),
        ([*AGES, -9.0], [-9.0]),
        ([*AGES, 999.0], [999.0]),
        ([*AGES, 0.0, 0.0, 0.0], []),
        ([*[130.0, 140.0, 150.0, 135.0, 142.0, 155.0, 128.0], 0.0, 0.0, 0.0], [0.0]),
        ([0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 1.0, 9.0, 9.0], [9.0]),
        ([*AGES, 99.0, 99.0], [99.0]),
        ([1.2, 2.0, 3.1, 2.2, 5.0, 4.4, 2.9, 1234.5, 1234.5, 1234.5], [1234.5]),
        ([*AGES, 88.0, 88.0], []),  # just two old patients
        ([*AGES, 130.0], []),  # a single typing error is no code
        ([float(score) for score in [*range(10), *range(10)]], []),
        ([-1.2, -0.4, 0.3, 0.9, 1.5, -1.0, 0.1, -0.2], []),
        ([0.0] * 30 + [float(value) for value in range(1, 20)], []),
        ([1.0, 999.0], []),  # too few to judge
    ],
)
def test_numbers_that_look_like_codes(values: list[float], codes: list[float]) -> None:
    assert [code for code, _ in values_like_codes(np.array([*values, np.nan]))] == codes


def test_no_false_alarm_in_random_columns() -> None:
    rng = np.random.default_rng(0)
    columns = [
        *(rng.normal(60, 10, 200).round() for _ in range(50)),
        *(rng.lognormal(1, 0.8, 200).round(1) for _ in range(50)),
        *(rng.poisson(3, 200).astype(float) for _ in range(50)),
    ]
    assert sum(bool(values_like_codes(column)) for column in columns) <= 3


@pytest.mark.parametrize("name", ["esophageal-immunotherapy-75", "esophageal-pdl1-219"])
def test_no_false_alarm_in_real_tables(data: Path, name: str) -> None:
    table = read_table(data / "tables" / f"{name}.xlsx", key="id")
    numeric = [
        column for column in table.header if not any(isinstance(to_number(v), str) for v in table.column(column))
    ]
    assert len(numeric) > 20
    for column in numeric:
        assert values_like_codes(table.number_column(column)) == [], column
    texts = set(table.header) - set(numeric)
    for column in texts:
        assert levels_written_differently(sorted(set(table.column(column)))) == [], column
