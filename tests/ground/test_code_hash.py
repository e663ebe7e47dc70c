"""The hash of code moves with what the code does, and with nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import espark
from espark.code_hash import code_hash
from espark.steps.train import trained_folds

MODULE = '''"""About it."""
import pack.helper
from pack import other

LIMIT = 5.0
"""How far."""


def clip(value: float) -> float:
    """Clip it."""
    if value > LIMIT:  # too far
        value = LIMIT
    return value
'''


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "pack").mkdir()
    for name, text in {
        "__init__": "",
        "main": MODULE,
        "helper": "from pack.deep import x\n",
        "other": "import outside\n",
        "deep": "x = 1\n",
        "stranger": "y = 1\n",
    }.items():
        (tmp_path / "pack" / f"{name}.py").write_text(text)
    (tmp_path / "outside.py").write_text("z = 1\n")
    return tmp_path


def hashed(sources: Path) -> str:
    """Of a copy, for a hash is computed once a process."""
    copy = sources.with_name(f"{sources.name}-{len(list(sources.parent.iterdir()))}")
    shutil.copytree(sources, copy)
    return code_hash(["pack.main"], within=["pack"], sources=copy)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# too far", "# beyond the limit"),
        ('"""Clip it."""', '"""Clip it to the limit."""'),
        ('    """Clip it."""\n', ""),
        ('"""How far."""\n', ""),
        ("value = LIMIT\n", "value = (\n            LIMIT\n        )\n"),
        ("\n\n\ndef", "\n\n\n\n\ndef"),
    ],
)
def test_words_and_layout_do_not_count(sources: Path, old: str, new: str) -> None:
    before, path = hashed(sources), sources / "pack" / "main.py"
    assert old in MODULE
    path.write_text(MODULE.replace(old, new))
    assert hashed(sources) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("5.0", "4.0"),
        ("5.0", "5"),
        ("value > LIMIT", "value >= LIMIT"),
        ("value = LIMIT", "value -= LIMIT"),
        ("        value = LIMIT\n    return value", "        value = LIMIT\n        return value"),
        ("        value = LIMIT\n    return value", "        value = LIMIT\n    else:\n        return value"),
    ],
)
def test_what_the_code_does_counts(sources: Path, old: str, new: str) -> None:
    before, path = hashed(sources), sources / "pack" / "main.py"
    assert old in MODULE
    path.write_text(MODULE.replace(old, new))
    assert hashed(sources) != before


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("pack/helper.py", True),
        ("pack/deep.py", True),
        ("pack/other.py", True),
        ("pack/stranger.py", False),
        ("outside.py", False),
    ],
)
def test_only_what_is_imported_from_the_packages_counts(sources: Path, name: str, counts: bool) -> None:
    before, path = hashed(sources), sources / name
    path.write_text(path.read_text() + "added = 1\n")
    assert (hashed(sources) != before) == counts


def test_a_module_that_is_not_there_is_an_error(sources: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"pack\.none has no file"):
        code_hash(["pack.none"], within=["pack"], sources=sources)


@pytest.mark.parametrize(
    ("path", "old", "new", "counts"),
    [
        ("training/fitting.py", "0.5 * (1 + math.cos", "0.6 * (1 + math.cos", True),
        ("models/aggregators/attention.py", "class ", "class Other:\n    pass\n\n\nclass ", True),
        ("statistics/icc.py", "return ", "return 2 * ", True),
        ("pathology/cell_types.py", "return ", "return 2 * ", True),
        ("training/fitting.py", '"""The one training loop', '"""Our training loop', False),
        ("training/operating_point.py", "return ", "return 2 * ", False),
        ("plots/style.py", "return ", "return 2 * ", False),
    ],
)
def test_weights_depend_on_training_and_models_alone(
    tmp_path: Path, path: str, old: str, new: str, counts: bool
) -> None:
    sources = Path(espark.__file__).parent
    shutil.copytree(
        sources, tmp_path / "espark", ignore=shutil.ignore_patterns("*.safetensors", "__pycache__", "assets")
    )
    file = tmp_path / "espark" / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    modules, within = ["espark.training.members.build"], trained_folds._CODE
    changed = code_hash(modules, within=within, sources=tmp_path) != code_hash(modules, within=within)
    assert changed == counts
