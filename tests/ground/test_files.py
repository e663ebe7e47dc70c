from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from espark.errors import InputError
from espark.files import (
    atomic_path,
    canonical_json,
    digest,
    fingerprint,
    load_tensors,
    read_json,
    read_safetensors_notes,
    save_tensors,
    without_apostrophe,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_content_and_no_debris(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_the_temporary_file_keeps_the_suffixes_that_writers_look_at(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "new" / "regions.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"x")
    assert (tmp_path / "new" / "regions.nii.gz").read_bytes() == b"x"


def test_json_is_canonical_and_refuses_nan() -> None:
    assert canonical_json({"b": 1, "a": "µm"}) == '{"a": "µm", "b": 1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    assert digest([1, 2]) != digest([2, 1])
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_json_round_trip_and_its_errors(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, None]}
    write_text(tmp_path / "b.json", "{")
    with pytest.raises(InputError, match=r"b\.json: the file is not JSON"):
        read_json(tmp_path / "b.json")
    with pytest.raises(InputError, match="missing"):
        read_json(tmp_path / "c.json")


def test_a_spreadsheet_computes_nothing_in_a_table_and_every_text_comes_back(tmp_path: Path) -> None:
    texts = [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "x	y",
        "'=x",
        "''=x",
        "plain",
        "'",
        "",
        "-0.5",
        "+3e-2",
        "-0.2;+3;1e-5",
    ]
    table = pd.DataFrame({"=level": pd.Categorical(texts), "n": np.arange(len(texts)) - 5})
    write_csv(tmp_path / "a.csv", table)
    back = pd.read_csv(tmp_path / "a.csv", keep_default_na=False, dtype=str)
    assert list(back.columns) == ["'=level", "n"]
    written = back["'=level"].tolist()
    assert not [
        cell for cell in written if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and cell not in texts[-3:]
    ]
    assert [without_apostrophe(cell) for cell in written] == texts
    assert back["n"].astype(int).tolist() == table["n"].tolist()
    write_csv(tmp_path / "a.csv", pd.DataFrame({"level": ["T3\r=1+1", "T2"]}))
    assert pd.read_csv(tmp_path / "a.csv")["level"].tolist() == ["T3 =1+1", "T2"]


def test_tensors_round_trip_with_the_same_bytes(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(3, 4).T, "a": torch.tensor([1, 2])}
    save_tensors(tmp_path / "one.safetensors", tensors, {"key": "k"})
    save_tensors(tmp_path / "two.safetensors", dict(reversed(tensors.items())), {"key": "k"})
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    loaded = load_tensors(tmp_path / "one.safetensors")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    write_bytes(tmp_path / "broken.safetensors", b"not tensors")
    with pytest.raises(InputError, match="cannot be read"):
        load_tensors(tmp_path / "broken.safetensors")


def test_notes_beside_tensors_come_back_and_are_in_order(tmp_path: Path) -> None:
    """The order of the library changes from process to process, and with it the bytes of the file."""
    notes = {f"note {number}": f"„{number}“ \n" for number in range(9, 0, -1)}
    path = tmp_path / "noted.safetensors"
    save_tensors(path, {"a": torch.arange(3)}, notes)
    assert read_safetensors_notes(path) == notes
    assert torch.equal(load_tensors(path)["a"], torch.arange(3))
    content = path.read_bytes()
    places = [content.index(name.encode()) for name in sorted(notes)]
    assert places == sorted(places)
    assert int.from_bytes(content[:8], "little") % 8 == 0


def test_the_fingerprint_of_a_folder_ignores_names(tmp_path: Path) -> None:
    for folder, names in (("a", "xy"), ("b", "yx")):
        for name, content in zip(names, (b"1", b"2"), strict=True):
            write_bytes(tmp_path / folder / name, content)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    write_bytes(tmp_path / "b" / "x", b"3")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")


def test_the_fingerprint_of_a_large_file_sees_a_change_of_length_and_of_its_ends(tmp_path: Path) -> None:
    content = np.random.default_rng(0).integers(0, 256, 80 << 20, dtype=np.uint8)
    path = tmp_path / "slide.svs"
    path.write_bytes(content.tobytes())
    first = fingerprint(path)
    assert first == fingerprint(path)
    path.write_bytes(content[:-1].tobytes())
    assert fingerprint(path) != first
    content[-1] ^= 1
    path.write_bytes(content.tobytes())
    assert fingerprint(path) != first
