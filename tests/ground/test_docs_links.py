"""Links between the pages of the documentation lead to files that exist, and so do the files named for a change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = re.compile(r"^(\.\./)?reference/[a-z-]+\.md$")
"""Pages that `make docs` makes from the code; it checks the links to them."""

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text)
    written = [target for target in targets if "://" not in target and not GENERATED.search(target)]
    missing = [target for target in written if not (page.parent / target).exists()]
    assert not missing


def test_each_file_named_for_a_change_exists() -> None:
    text = (ROOT / "docs" / "where-to-change.md").read_text(encoding="utf-8")
    rooms = re.findall(r"`([a-z_]+(?:/[a-z_]+)*/)`", text)
    modules = re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text)
    source = ROOT / "src" / "espark"
    known = {path.name for path in source.rglob("*.py")}
    assert not [room for room in rooms if not (source / room).is_dir() and not (ROOT / room).is_dir()]
    assert not [
        name
        for name in modules
        if not (source / name).exists() and not (ROOT / name).exists() and ("/" in name or name not in known)
    ]
