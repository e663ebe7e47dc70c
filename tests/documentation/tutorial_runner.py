"""Runs a tutorial as it is printed: its commands and its Python code, in order, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
_BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?```(bash|python)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Tutorial:
    """A page with code.

    Attributes:
        name: of the file, without suffix.
        needs: what its first line asks for: ``fast`` or ``slow``, ``images``, ``study``.
        blocks: language and text of each block that is run.
        left_out: blocks that are not run; the page gives the reason.
    """

    name: str
    needs: frozenset[str]
    blocks: tuple[tuple[str, str], ...]
    left_out: int


def read_tutorials() -> list[Tutorial]:
    """Every page that contains code."""
    return [tutorial for path in sorted(PAGES.glob("*.md")) if (tutorial := _read(path)).blocks]


def _read(path: Path) -> Tutorial:
    text = path.read_text(encoding="utf-8")
    first = re.match(r"<!-- tutorial: (.+) -->", text)
    found = _BLOCK.findall(text)
    run = tuple((language, code) for reason, language, code in found if not reason)
    needs = frozenset(first[1].split(", ") if first else ())
    return Tutorial(path.stem, needs, run, len(found) - len(run))


def run_tutorial(tutorial: Tutorial, folder: Path) -> None:
    """Execute the blocks in a folder; Python blocks share their names, as in one session.

    Raises:
        AssertionError: when a command ends with an error; the message has its output.
    """
    _espark_command(folder / ".bin")
    names: dict[str, Any] = {"__name__": "tutorial"}
    for language, code in tutorial.blocks:
        if language == "python":
            exec(compile(code, f"{tutorial.name}.md", "exec"), names)
        else:
            _run(code, folder)


def _run(code: str, folder: Path) -> None:
    path = os.pathsep.join([str(folder / ".bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code], cwd=folder, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def _espark_command(folder: Path) -> None:
    """The command `espark` of this environment and this source tree."""
    folder.mkdir()
    script = folder / "espark"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m espark "$@"\n', encoding="utf-8")
    script.chmod(0o755)
