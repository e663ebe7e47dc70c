"""Checks the built site: links and anchors lead somewhere, and no page asks another server for anything.

Usage: ``python docs/site/check_site.py build/docs/site``.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("video", "src"), ("link", "href")}
_CSS_ADDRESS = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])(https?://[^\"')]+)")


class Page(HTMLParser):
    """The anchors and links of a page, and what a browser fetches for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes of one element."""
        values = {key: value for key, value in attrs if value is not None}
        self.anchors |= {values[key] for key in ("id", "name") if key in values}
        for key in ("href", "src"):
            if key in values:
                self.links.append(values[key])
                if (tag, key) in FETCHED and values.get("rel") not in ("canonical", "next", "prev", "alternate"):
                    self.fetched.append(values[key])


def problems(site: Path) -> list[str]:
    """Every broken link and every request to another server, in a sentence each."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        found += [f"{name}: a browser would fetch {link}" for link in page.fetched if urlsplit(link).netloc]
        if path.name != "404.html":  # its links begin at the root of a server
            found += [f"{name}: {link} leads nowhere" for link in page.links if not _leads(link, path, pages)]
    for sheet in site.rglob("*.css"):
        found += [f"{sheet.name}: fetches {address}" for address in _CSS_ADDRESS.findall(sheet.read_text("utf-8"))]
    return found


def _leads(link: str, page: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return False
    anchors = pages[target].anchors if target in pages else set()
    return not parts.fragment or target not in pages or unquote(parts.fragment) in anchors or parts.fragment == "__top"


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]))
    sys.exit("\n".join(lines) or 0)
