"""The scripts in `benchmarks/` and `examples/`, loaded and run inside the tests."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def script_names(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / folder).glob("*.py"))


def load_script(name: str) -> ModuleType:
    """The module of a script, whose neighbours it may import."""
    with pytest.MonkeyPatch.context() as patch:
        _see_scripts(patch)
        return importlib.import_module(name)


def run_script(name: str, *arguments: object) -> None:
    """Call the main function of a script with arguments of its command line."""
    script = load_script(name)
    with pytest.MonkeyPatch.context() as patch:
        _see_scripts(patch)  # so that worker processes find it too
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        script.main()


def _see_scripts(patch: pytest.MonkeyPatch) -> None:
    for folder in ("benchmarks", "examples"):
        patch.syspath_prepend(ROOT / folder)
