"""What holds for every page that espark writes: checked on made-up reports and on the pages of real steps."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Callable

from espark.report import words
from page_reader import Element, PageReader

_LOADS = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href", "cite"}
_NO_WORDS = {
    "a per cent sign without a narrow gap": re.compile(r"\d[ \u00a0]?%"),
    "a hyphen for a minus": re.compile(r"(?<![\w–-])-\d"),
    "a value that only machines write": re.compile(
        r"\b(nan|NaN|inf|True|False|null)\b|\bNone\b(?!:| [a-z])|\d[eE][+-]?\d+\b"
    ),
    "a technical name": re.compile(r"(?<![/\w.-])[a-z]+_[a-z_]+\b(?![./])"),
}
_ROW_GROUPS = {"thead", "tbody", "tfoot"}


def _structure(page: str) -> None:
    tree = PageReader(page)
    assert tree.doctype == "DOCTYPE html"
    assert tree.elements[0].attributes.get("lang") == "en"
    assert len(tree.all("title")) == len(tree.all("h1")) == len(tree.all("main")) == 1
    assert tree.all("title")[0].text().strip()
    ids = [element.attributes["id"] for element in tree.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    targets = [a.attributes["href"] or "" for a in tree.all("a")]
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)


def _headings(page: str) -> None:
    levels = [int(element.tag[1]) for element in PageReader(page).elements if re.fullmatch("h[1-6]", element.tag)]
    # A box above the title would be fine for the eye, not for a screen reader.
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def _width(row: Element) -> int:
    return sum(int(cell.attributes.get("colspan") or 1) for cell in row.children)


def _tables(page: str) -> None:
    tree = PageReader(page)
    for table in tree.all("table"):
        rows = [row for part in table.children if part.tag in _ROW_GROUPS for row in part.children]
        assert len({_width(row) for row in rows}) == 1, table.text()
    assert all(header.attributes.get("scope") for header in tree.all("th"))


def _pictures(page: str) -> None:
    tree = PageReader(page)
    assert all((image.attributes.get("alt") or "").strip() for image in tree.all("img"))
    for drawing in tree.all("svg"):
        assert drawing.attributes.get("role") == "img"
        assert (drawing.attributes.get("aria-label") or "").strip()


def _addresses(page: str) -> None:
    tree = PageReader(page)
    addresses = [value or "" for element in tree.elements for key, value in element.attributes.items() if key in _LOADS]
    assert all(re.match(r"data:image/|#|(\.\./)?[\w/.-]+\.html$", address) for address in addresses)
    assert not {"link", "iframe", "object", "embed", "form", "base", "audio", "video"} & {e.tag for e in tree.elements}
    without_pictures = re.sub(r"data:image/[^\"]+", "", page)
    assert "http://" not in without_pictures and "https://" not in without_pictures
    style = tree.all("style")[0].text()
    assert "url(" not in style and "@import" not in style
    policy = [m.attributes["content"] for m in tree.all("meta") if m.attributes.get("http-equiv")]
    assert len(policy) == 1 and (policy[0] or "").startswith("default-src 'none'; img-src data:;")


def _scripts(page: str) -> None:
    tree = PageReader(page)
    admitted = set(re.findall(r"'(sha256-[^']+)'", page))
    found = {
        "sha256-" + base64.b64encode(hashlib.sha256(script.text().encode()).digest()).decode()
        for script in tree.all("script")
    }
    assert found == admitted
    assert not [e for e in tree.elements if any(key.startswith("on") for key in e.attributes)]


def _notice(page: str) -> None:
    tree = PageReader(page)
    running = [element for element in tree.elements if element.attributes.get("class") == "running"]
    assert len(running) == 1 and words.RESEARCH_USE in running[0].text()
    printed = tree.all("style")[0].text().split("@media print")[1]
    # position: fixed is what repeats the line on each page; the cloned padding keeps the text clear of it.
    assert re.search(r"\.running \{[^}]*position: fixed", printed)
    assert "box-decoration-break: clone" in printed
    assert "size: A4" in printed


def check_wording(text: str) -> None:
    """Numbers and names stand in ``text`` as a person writes them.

    Raises:
        AssertionError: where they do not.
    """
    for what, pattern in _NO_WORDS.items():
        found = pattern.search(text)
        assert not found, f"{what}: {text[max(0, found.start() - 40) : found.end() + 20]!r}"


def _wording(page: str) -> None:
    tree = PageReader(page)
    # Hashes, names of files and versions are not for reading.
    unread = {
        id(e) for e in tree.elements if e.tag in {"style", "script", "svg"} or e.attributes.get("class") == "provenance"
    }
    said = [e.own_text for e in tree.elements if not any(id(holder) in unread for holder in e.lineage())]
    said += [e.attributes.get("alt") or e.attributes.get("aria-label") or "" for e in tree.elements]
    for text in said:
        check_wording(text)


RULES: dict[str, Callable[[str], None]] = {
    "well formed": _structure,
    "headings leave out no level": _headings,
    "tables are even and their headers say what they head": _tables,
    "every picture has words": _pictures,
    "asks nobody for anything": _addresses,
    "only the scripts that the policy admits": _scripts,
    "numbers and names as a person writes them": _wording,
    "every printed page carries the research notice": _notice,
}
"""By what it says, each rule; it raises AssertionError where a page breaks it."""
