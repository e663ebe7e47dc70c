"""Who is shown side by side: the most confident correct answers, of patients that no model saw where there are any."""

from __future__ import annotations

import numpy as np
import pandas as pd

from espark.explain.ct_pair import confident_pair, speaking_features
from espark.outcome import Outcome


def table(*rows: tuple[str, str, int | None, float, int]) -> pd.DataFrame:
    columns = ["patient_id", "role", "label", "probability", "prediction"]
    return pd.DataFrame(rows, columns=columns).astype({"label": "Int64"})


def pair(predictions: pd.DataFrame, *missing: str) -> tuple[str, str] | None:
    found = confident_pair(predictions, set(predictions["patient_id"]) - set(missing), Outcome())
    return None if found is None else (found.left, found.right)


PATIENTS = table(
    ("d1", "development", 1, 0.99, 1),
    ("d0", "development", 0, 0.01, 0),
    ("e1", "external", 1, 0.80, 1),
    ("i1", "internal_test", 1, 0.90, 1),
    ("wrong", "external", 0, 0.95, 1),
    ("missed", "external", 1, 0.02, 0),
    ("e0", "external", 0, 0.10, 0),
    ("f0", "external", 0, 0.30, 0),
    ("unknown", "external", None, 0.99, 1),
)


def test_the_most_confident_correct_patients_outside_development_are_shown() -> None:
    assert pair(PATIENTS) == ("i1", "e0")


def test_somebody_who_cannot_be_shown_makes_room_for_the_next() -> None:
    assert pair(PATIENTS, "i1", "e0") == ("e1", "f0")


def test_development_patients_are_shown_only_where_a_class_is_missing_outside() -> None:
    found = confident_pair(PATIENTS, {"d1", "d0", "e1", "i1"}, Outcome())
    assert found is not None
    assert (found.left, found.right) == ("d1", "d0")
    assert "out of fold" in found.basis
    assert "outside development" in confident_pair(PATIENTS, set(PATIENTS["patient_id"]), Outcome()).basis  # type: ignore[union-attr]


def test_the_first_of_equals_is_taken_and_nobody_where_a_class_has_no_correct_answer() -> None:
    equal = table(("a", "external", 1, 0.9, 1), ("b", "external", 1, 0.9, 1), ("c", "external", 0, 0.1, 0))
    assert pair(equal) == ("a", "c")
    assert pair(equal, "c") is None
    assert pair(table(("a", "external", 1, 0.4, 0), ("c", "external", 0, 0.1, 0))) is None


def test_features_speak_by_what_they_add_in_either_direction() -> None:
    attribution, values = np.array([0.1, -0.5, 0.0, 0.3]), np.array([1.0, 2.0, 3.0, -4.0])
    found = speaking_features(("a", "b", "c", "d"), attribution, values, top=2)
    assert [(part.name, part.value, part.attribution) for part in found] == [("b", 2.0, -0.5), ("d", -4.0, 0.3)]
    assert [part.name for part in speaking_features(("a", "b", "c", "d"), attribution, values, top=9)] == [
        "b",
        "d",
        "a",
    ]
