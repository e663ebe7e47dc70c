"""Tables of radiomic features made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.ct.features.feature_table import read_feature_table
from espark.errors import TableError

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
    read = read_feature_table(path, "case", ["original_*"])
    found = read.values
    assert read.left_out == ("site",) and read.notes == ()
    assert list(found.index) == ["007", "012", "A-3"] and list(found.columns) == NAMES
    assert found.dtypes.eq(np.float64).all()
    assert np.array_equal(found.to_numpy(), table()[NAMES].to_numpy(), equal_nan=True)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_ids_of_digits_alone_keep_their_zeros(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"features.{suffix}"
    digits = table().assign(case=["007", "012", "100"])
    (digits.to_csv if suffix == "csv" else digits.to_excel)(path, index=False)
    assert list(read_feature_table(path, "case", ["original_*"]).values.index) == ["007", "012", "100"]


def test_numbers_as_ids_of_a_spreadsheet(tmp_path: Path) -> None:
    table().assign(case=[7.0, 12.0, 100.0]).to_parquet(tmp_path / "features.parquet")
    assert list(read_feature_table(tmp_path / "features.parquet", "case", ["*glcm*"]).values.index) == [
        "7",
        "12",
        "100",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case": ["007", "007", "A-3"]}, "patient '007' appears twice"),
        ({"case": ["007", None, "A-3"]}, "line 3 has no patient"),
        ({NAMES[0]: ["1", "much", "2"]}, f"column '{NAMES[0]}' holds 'much', which is not a finite number"),
        ({NAMES[1]: [1.0, np.inf, 2.0]}, f"column '{NAMES[1]}' holds 'inf'"),
        ({f"{NAMES[0]} ": [1.0, 2.0, 3.0]}, f"column '{NAMES[0]}' appears twice"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, change: dict[str, list[object]], message: str) -> None:
    table().assign(**change).to_csv(tmp_path / "features.csv", index=False)
    with pytest.raises(TableError, match=message):
        read_feature_table(tmp_path / "features.csv", "case", ["original_*"])


def test_what_is_not_there(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "features.csv", index=False)
    with pytest.raises(TableError, match=r"no column 'cas'.*Did you mean 'case'"):
        read_feature_table(tmp_path / "features.csv", "cas", ["original_*"])
    with pytest.raises(TableError, match=r"no column matches wavelet\*"):
        read_feature_table(tmp_path / "features.csv", "case", ["wavelet*"])
    with pytest.raises(TableError, match="is missing"):
        read_feature_table(tmp_path / "none.csv", "case", ["*"])
    with pytest.raises(TableError, match=r"'\.txt', which is not a table"):
        read_feature_table(tmp_path / "features.txt", "case", ["*"])
    (tmp_path / "broken.xlsx").write_bytes(b"no archive")
    with pytest.raises(TableError, match="cannot be read"):
        read_feature_table(tmp_path / "broken.xlsx", "case", ["*"])


def test_ids_may_be_the_index_of_a_parquet_file(tmp_path: Path) -> None:
    table().set_index("case").to_parquet(tmp_path / "features.parquet")
    read = read_feature_table(tmp_path / "features.parquet", "case", ["original_*"])
    assert read.values.index[0] == "007"


def test_single_precision_of_a_parquet_file_stays(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=3).astype(np.float32)
    table().assign(**{NAMES[1]: values}).to_parquet(tmp_path / "features.parquet")
    read = read_feature_table(tmp_path / "features.parquet", "case", [NAMES[1]]).values
    assert np.array_equal(read[NAMES[1]].to_numpy(np.float32), values)


def test_features_that_are_all_one_number_are_doubted(tmp_path: Path) -> None:
    names = [f"original_glcm_{number}" for number in range(8)]
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 8)), columns=names)
    values.iloc[2] = 0.0
    values.assign(case=["a", "b", "c", "d"]).to_csv(tmp_path / "features.csv", index=False)
    (note,) = read_feature_table(tmp_path / "features.csv", "case", ["original_*"]).notes
    assert note.code == "D-TABLE-004" and note.text.endswith("for c (0).")
