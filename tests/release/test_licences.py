"""Every package that espark needs has a licence that a program under the MIT licence may use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_licence_of_every_dependency_is_known_and_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "docs" / "site")])
    from licences_page import ALLOWED, dependency_licences

    found = dependency_licences()
    assert {"numpy", "torch", "simpleitk", "openslide-bin"} <= {part.name for part in found}
    assert not [part for part in found if not part.allowed]
    assert ALLOWED.search("GPL-3.0-only") is None and ALLOWED.search("LGPL-2.1-only")


def test_vendored_weights_and_viewers_are_listed() -> None:
    weights = {path.stem for path in (ROOT / "src" / "espark").rglob("*.safetensors")}
    text = (ROOT / "docs" / "site" / "licences_page.py").read_text(encoding="utf-8")
    assert weights and all(name in text for name in weights)
