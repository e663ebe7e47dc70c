"""One version everywhere, and nothing stays deprecated longer than announced."""

from __future__ import annotations

import doctest
import re
import tomllib
from pathlib import Path

from packaging.version import Version

import espark
from espark import _version

ROOT = Path(__file__).parents[2]


def test_the_version_is_stated_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/espark/_version.py"
    Version(espark.__version__)


def test_citation_and_changes_know_the_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(Version(espark.__version__).base_version)}$", citation, re.MULTILINE)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", changes, re.MULTILINE)
    assert headings[0] == "Unreleased"
    versions = [Version(heading.split()[0]) for heading in headings[1:]]
    assert versions == sorted(versions, reverse=True) and versions[0] <= Version(espark.__version__)


def test_nothing_stays_deprecated_longer_than_announced() -> None:
    overdue = {name for name, gone in _version.REMOVED_IN.items() if Version(gone) <= Version(espark.__version__)}
    assert not overdue


def test_a_deprecated_function_warns_and_still_works() -> None:
    before = dict(_version.REMOVED_IN)
    try:
        found = doctest.testmod(_version)
    finally:
        _version.REMOVED_IN.clear()
        _version.REMOVED_IN.update(before)
    assert found.attempted and not found.failed
