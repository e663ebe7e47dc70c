"""Gathers the pages of the documentation site: the written ones, and those that are made from the code.

Usage: ``python docs/site/gather.py build/docs``. ``make docs`` calls it, then Zensical, then ``check_site.py``.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

from commands_page import commands_page
from configuration_page import configuration_page
from espark.formats import ARTEFACTS
from files_page import files_page
from licences_page import licences_page
from markdown_text import without_links
from python_pages import plugins_reference, python_reference

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "README.md": "overview.md",
    "src/espark/ct/segmentation/weights/MODEL_CARD.md": "reference/segmenter-card.md",
    "src/espark/pathology/encoders/weights/MODEL_CARD.md": "reference/encoder-card.md",
}
"""Pages that are not in ``docs/``, by their path in the repository."""

DOWNLOADS = ("examples",)
"""Folders that the pages link to; the site offers each as an archive."""

_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def gather(target: Path) -> None:
    """Write all pages, the schemas and the downloads below ``target/pages``."""
    pages = target / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    docs = ROOT / "docs"
    written = {path.relative_to(ROOT).as_posix(): path for path in docs.rglob("*") if _belongs(path)}
    for name, path in written.items():
        _place(path, pages / Path(name).relative_to("docs"), Path(name).relative_to("docs").as_posix())
    for name, place in ELSEWHERE.items():
        _place(ROOT / name, pages / place, place)
    made = {
        "configuration.md": configuration_page(), "commands.md": commands_page(), "files.md": files_page(),
        "python.md": python_reference(), "python-plugins.md": plugins_reference(), "licences.md": licences_page(),
    }  # fmt: skip
    for name, text in made.items():
        (pages / "reference" / name).write_text(without_links(text), encoding="utf-8")
    _schemas(pages / "reference" / "schemas")
    for folder in DOWNLOADS:
        _archive(ROOT / folder, pages / "downloads" / f"{folder}.zip")
    shutil.copy(docs / "site" / "zensical.toml", target / "zensical.toml")


def _belongs(path: Path) -> bool:
    return path.is_file() and "site" not in path.relative_to(ROOT / "docs").parts and path.suffix != ".py"


def _place(source: Path, target: Path, place: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".md":
        target.write_text(_relinked(source, place), encoding="utf-8")
    else:
        shutil.copy(source, target)


def _relinked(source: Path, place: str) -> str:
    """The text of a page, with links that lead to the pages of the site."""
    up = "../" * place.count("/")

    def moved(match: re.Match[str]) -> str:
        target = (source.parent / match[1]).resolve().relative_to(ROOT).as_posix()
        anchor = match[2] or ""
        if target in ELSEWHERE:
            return f"{up}{ELSEWHERE[target]}{anchor}"
        if target.startswith("docs/"):
            return f"{up}{target.removeprefix('docs/')}{anchor}"
        if (folder := target.split("/")[0]) in DOWNLOADS:
            return f"{up}downloads/{folder}.zip"
        if target == "LICENSE":
            return f"{up}overview.md"
        raise ValueError(f"{source}: the site has no page for the link to {match[1]}")

    text = source.read_text(encoding="utf-8")
    # The texts of the codes are those of the program.
    return _LINK.sub(moved, without_links(text) if place == "codes.md" else text)


def _schemas(folder: Path) -> None:
    """One Table Schema for each table."""
    folder.mkdir(parents=True)
    for artefact in ARTEFACTS:
        if artefact.columns:
            name = re.sub(r"[^a-z_-]+", "-", artefact.pattern.rsplit(".", 1)[0]).strip("-")
            (folder / f"{name}.json").write_text(json.dumps(artefact.schema(), indent=1) + "\n", encoding="utf-8")


def _archive(folder: Path, target: Path) -> None:
    """An archive with the same bytes for the same files."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not {"__pycache__", "build"} & set(path.parts) and ".egg-info" not in str(path):
                archive.writestr(zipfile.ZipInfo(path.relative_to(folder.parent).as_posix()), path.read_bytes())


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
