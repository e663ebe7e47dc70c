"""Tables of radiomic features made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.ct.features.feature_table import read_feature_table
from espark.errors import FeatureError

NAMES = ["original_firstorder_Mean", "original_glcm_Idm"]


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case": ["007", "012", "A-3"],
            "site": ["x", "y", "z"],
            NAMES[0]: [1.5, np.nan, -2e-7],
            NAMES[1]: [np.nan, np.nan, 0.25],
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_every_format_keeps_ids_values_and_gaps(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"features.{suffix}"
    writer = {"csv": table().to_csv, "parquet": table().to_parquet, "xlsx": table().to_excel}[suffix]
    writer(path, index=False)
    found = read_feature_table(path, "case", ["original_*"])
    assert list(found.index) == ["007", "012", "A-3"] and list(found.columns) == NAMES
    assert found.dtypes.eq(np.float64).all()
    assert np.array_equal(found.to_numpy(), table()[NAMES].to_numpy(), equal_nan=True)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_ids_of_digits_alone_keep_their_zeros(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"features.{suffix}"
    digits = table().assign(case=["007", "012", "100"])
    (digits.to_csv if suffix == "csv" else digits.to_excel)(path, index=False)
    assert list(read_feature_table(path, "case", ["original_*"]).index) == ["007", "012", "100"]


def test_numbers_as_ids_of_a_spreadsheet(tmp_path: Path) -> None:
    table().assign(case=[7.0, 12.0, 100.0]).to_parquet(tmp_path / "features.parquet")
    assert list(read_feature_table(tmp_path / "features.parquet", "case", ["*glcm*"]).index) == ["7", "12", "100"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case": ["007", "007", "A-3"]}, "patient '007' stands there twice"),
        ({"case": ["007", None, "A-3"]}, "row 2 has no patient"),
        ({NAMES[0]: ["1", "much", "2"]}, f"column '{NAMES[0]}' holds 'much', which is not a finite number"),
        ({NAMES[1]: [1.0, np.inf, 2.0]}, f"column '{NAMES[1]}' holds 'inf'"),
        ({f"{NAMES[0]} ": [1.0, 2.0, 3.0]}, f"column '{NAMES[0]}' stands there twice"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, change: dict[str, list[object]], message: str) -> None:
    table().assign(**change).to_csv(tmp_path / "features.csv", index=False)
    with pytest.raises(FeatureError, match=message):
        read_feature_table(tmp_path / "features.csv", "case", ["original_*"])


def test_what_is_not_there(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "features.csv", index=False)
    with pytest.raises(FeatureError, match=r"no column 'cas'.*Did you mean 'case'"):
        read_feature_table(tmp_path / "features.csv", "cas", ["original_*"])
    with pytest.raises(FeatureError, match=r"no column matches wavelet\*"):
        read_feature_table(tmp_path / "features.csv", "case", ["wavelet*"])
    with pytest.raises(FeatureError, match="is missing"):
        read_feature_table(tmp_path / "none.csv", "case", ["*"])
    with pytest.raises(FeatureError, match=r"'\.txt' is not a table"):
        read_feature_table(tmp_path / "features.txt", "case", ["*"])
    (tmp_path / "broken.xlsx").write_bytes(b"no archive")
    with pytest.raises(FeatureError, match="cannot be read"):
        read_feature_table(tmp_path / "broken.xlsx", "case", ["*"])
