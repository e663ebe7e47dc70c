"""The floor plan of the code: rooms that can be seen at a glance, files of one idea, names that are used once."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import espark

PACKAGE = Path(espark.__file__).parent
GLOSSARY = PACKAGE.parents[1] / "docs" / "glossary.md"
MODULES = sorted(PACKAGE.rglob("*.py"))

MOST_MODULES, MOST_LINES, SCREEN = 16, 450, 35

_PATH = re.compile(r"`([\w-]+(?:/[\w-]+)*/[\w-]+\.py)`")


def rooms() -> dict[Path, list[Path]]:
    """By folder, the modules that lie in it, those of its sub-rooms aside."""
    found = defaultdict(list)
    for path in MODULES:
        found[path.parent].append(path)
    return found


def name_of(room: Path) -> str:
    return room.relative_to(PACKAGE.parent).as_posix()


@pytest.mark.parametrize("room", rooms(), ids=name_of)
def test_a_room_has_few_modules(room: Path) -> None:
    assert len(rooms()[room]) <= MOST_MODULES


def test_a_file_is_one_idea() -> None:
    names = {path.relative_to(PACKAGE).as_posix(): path for path in MODULES}
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in names.items()}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_nearly_every_function_fits_a_screen() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in MODULES)
    functions = (node for node in chain.from_iterable(map(ast.walk, trees)) if isinstance(node, ast.FunctionDef))
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    assert len(lengths) > 1000
    assert np.percentile(lengths, 95) <= SCREEN


def names_that_recur() -> set[str]:
    """Those that the glossary lists, each with its one idea and where it is found."""
    section = GLOSSARY.read_text(encoding="utf-8").split("## Names that recur")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+\.py)` \| ([^|]+) \| ([^|]+) \|$", section, flags=re.MULTILINE)
    assert len(rows) == section.count("\n| `")
    return {name for name, _, _ in rows}


def test_a_name_recurs_only_for_the_same_idea_on_two_levels() -> None:
    places = defaultdict(list)
    for path in MODULES:
        if path.stem not in ("__init__", "__main__"):
            places[path.name].append(path.relative_to(PACKAGE).as_posix())
    recurring = {name: found for name, found in places.items() if len(found) > 1}
    listed = names_that_recur()
    assert not {name: found for name, found in recurring.items() if name not in listed}
    assert listed <= set(places), "the glossary lists a name that no module has"


def test_files_that_the_docs_name_are_there() -> None:
    root = PACKAGE.parents[1]
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    named = {(page.name, path) for page in pages for path in _PATH.findall(page.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert not {(page, path) for page, path in named if not ((PACKAGE / path).exists() or (root / path).exists())}


def test_every_room_says_what_it_is_for() -> None:
    """A folder with modules is a package whose docstring is the sign on its door."""
    for room in rooms():
        docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
        assert docstring and docstring.endswith("."), room
