"""The same commit gives the same wheel, whatever the times of its files; the wheel has what it needs to run alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = (".safetensors", ".html", ".css", ".js", ".json", ".toml", ".md")
PARTS = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src")


def _wheel(folder: Path, modified: float) -> Path:
    folder.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    for path in folder.rglob("*"):
        os.utime(path, (modified, modified))
    code = "from hatchling.build import build_wheel; print(build_wheel('.'))"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_two_builds_have_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    first, second = _wheel(tmp_path / "first", 1.6e9), _wheel(tmp_path / "second", 1.7e9)
    assert first.read_bytes() == second.read_bytes()
    names = set(zipfile.ZipFile(first).namelist())
    data = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "espark").rglob("*")
        if path.is_file() and path.suffix in DATA
    }
    assert data <= names
    assert first.stat().st_size < 20e6
