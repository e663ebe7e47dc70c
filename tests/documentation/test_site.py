"""The pages of the documentation site can be gathered, and a dead link or a request to another server is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"


def test_all_pages_are_gathered_and_in_the_menu(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SITE / "gather.py"), str(tmp_path)], check=True, timeout=300)
    pages = tmp_path / "pages"
    assert "`[mscalect]`" in (pages / "reference" / "configuration.md").read_text(encoding="utf-8")
    commands = (pages / "reference" / "commands.md").read_text(encoding="utf-8")
    assert "## espark export anndata" in commands and "| required |" in commands
    metrics = json.loads((pages / "reference" / "schemas" / "evaluation-metrics.json").read_text(encoding="utf-8"))
    assert [field["name"] for field in metrics["fields"]][:3] == ["model", "cohort", "n"]
    assert not [path for path in pages.rglob("*.md") if "](../SECURITY.md)" in path.read_text(encoding="utf-8")]


def test_dead_links_and_requests_to_other_servers_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="top"></h1><a href="b.html#part">x</a><a href="c.html">y</a>')
    (tmp_path / "b.html").write_text('<p id="other"></p><script src="https://example.org/x.js"></script>')
    (tmp_path / "s.css").write_text("@font-face { src: url(https://fonts.example.org/f.woff2) }")
    done = subprocess.run([sys.executable, str(SITE / "check_site.py"), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "a.html: b.html#part leads nowhere", "a.html: c.html leads nowhere",
        "b.html: a browser would fetch https://example.org/x.js", "s.css: fetches https://fonts.example.org/f.woff2",
    ]  # fmt: skip
