"""`espark plan`: curves between and beyond what was measured, the page, and curves of one's own study."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from espark.cli.app import app
from espark.errors import InputError
from espark.steps.plan.curves import CURVES, PowerLaw, expected, models_of, summarised
from espark.steps.plan.plan import plan
from espark.steps.plan.subsamples import gains, scores, sizes_of


def draws_of_a_law(sizes: tuple[int, ...], draws: int, seed: int = 0) -> pd.DataFrame:
    """AUC 0.9 − 1.6 / √n, with an SD of 0.3 / √n."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        for draw in range(draws):
            auc = 0.9 - 1.6 / n**0.5 + 0.3 / n**0.5 * rng.normal()
            row = {"n": n, "draw": draw, "auc_espark": auc, "slope_espark": np.exp(rng.normal() * 2 / n**0.5)}
            row |= {
                "auc_mscalect": auc - 0.05,
                "slope_mscalect": 1.0,
                "auc_cytopath": auc - 0.02,
                "slope_cytopath": 1.0,
            }
            row |= {"gain_mscalect": 0.05, "gain_cytopath": 0.02, "p_mscalect": 0.01, "p_cytopath": 0.2 - n / 1000}
            rows.append(row)
    return pd.DataFrame(rows)


def test_a_power_law_is_found_again() -> None:
    n = np.array([60.0, 120, 240, 480, 960])
    law = PowerLaw.fit(n, 0.88 - 2.0 * n**-0.6)
    assert (law.ceiling, law.slope, law.exponent) == pytest.approx((0.88, -2.0, 0.6), rel=0.02)
    assert PowerLaw.fit(n[:3], 0.9 - n[:3] ** -0.5)(np.array([960.0])) == pytest.approx([0.9 - 960**-0.5])


def test_what_is_expected_beyond_the_measured_n() -> None:
    curves = summarised(draws_of_a_law((60, 120, 240, 480), 200))
    found = expected(curves, np.array([60.0, 100, 480, 1000])).set_index("n")
    assert found["basis"].tolist() == ["measured", "between", "measured", "beyond"]
    for n in (60, 100, 480, 1000):
        assert found.loc[n, "auc_espark"] == pytest.approx(0.9 - 1.6 / n**0.5, abs=0.01)
        half = (found.loc[n, "auc_high_espark"] - found.loc[n, "auc_low_espark"]) / 2
        assert half == pytest.approx(1.97 * 0.3 / n**0.5, rel=0.35)
    widths = found["slope_high_espark"] - found["slope_low_espark"]
    assert widths.is_monotonic_decreasing and (found["slope_low_espark"] < 1).all()
    assert found["above"].tolist() == [1, 1, 1, 1] and found["power"].tolist() == pytest.approx([0, 0, 1, 1], abs=0.4)


def test_the_power_counts_draws_above_both_parts() -> None:
    rows = draws_of_a_law((60,), 4)
    rows["gain_cytopath"], rows["p_cytopath"] = [0.1, 0.1, -0.1, 0.1], [0.01, 0.2, 0.01, 0.04]
    (row,) = summarised(rows).to_dict("records")
    assert row["above"] == 0.75 and row["power"] == 0.5


def test_the_shipped_curves_are_small_and_answer_at_once(tmp_path: Path) -> None:
    assert CURVES.stat().st_size < 100_000
    start = time.process_time()
    found = plan(120, tmp_path)
    assert time.process_time() - start < 2
    assert 0.5 < found.asked["auc_low_espark"] < found.asked["auc_espark"] < found.asked["auc_high_espark"] <= 1
    table = pd.read_csv(tmp_path / "plan.csv")
    assert table["n"].is_monotonic_increasing and {60, 120, 1000} <= set(table["n"])
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "What to expect of 120 development patients" in page and "simulated patients" in page
    assert str(found.minimum.required) in page and "<script" not in page


def test_the_command_prints_where_the_page_is(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["plan", "--patients", "137", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0 and result.output.strip().endswith("plan.html")
    assert 137 in pd.read_csv(tmp_path / "out" / "plan.csv")["n"].tolist()


@pytest.mark.parametrize(
    "options", [{"patients": 5}, {"patients": 100, "prevalence": 1.0}, {"patients": 100, "parameters": 0}]
)
def test_numbers_out_of_range_are_refused(options: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--"):
        plan(out=tmp_path, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "plan.html").exists()


def test_samples_leave_patients_to_test() -> None:
    assert sizes_of(90) == [30, 45, 60]
    with pytest.raises(InputError, match="at least 60"):
        sizes_of(59)


def test_scores_of_a_sample() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    both = np.array([0.1, 0.2, 0.5, 0.4, 0.8, 0.9, np.nan])
    ct = np.array([0.5, 0.2, 0.6, 0.4, 0.3, 0.9, 0.9])
    row = scores({"espark": both, "mscalect": ct}, labels)
    assert row["auc_espark"] == pytest.approx(8 / 9) and row["auc_mscalect"] == pytest.approx(5 / 9)
    assert row["gain_mscalect"] == pytest.approx(3 / 9) and "gain_cytopath" not in row
    assert gains({"mscalect": ct}, labels) == {}


def test_a_study_with_ct_alone_has_curves_of_its_model() -> None:
    rows = draws_of_a_law((60, 90), 3)[["n", "draw", "auc_mscalect", "slope_mscalect"]]
    curves = summarised(rows)
    assert models_of(curves) == ("mscalect",) and "power" not in curves
    assert "power" not in expected(curves, np.array([60.0]))
