"""Reads a page the strict way: what a browser would silently mend is an error here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "link", "input", "hr", "wbr", "source"}
_SVG_EMPTY = {"rect", "line", "circle"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_PHRASING = {
    "a", "b", "br", "button", "code", "dfn", "em", "i", "img", "input", "kbd", "label", "output", "select", "small",
    "span", "strong", "sub", "sup", "svg", "time", "wbr",
}  # fmt: skip
_FLOW = _PHRASING | _HEADINGS | {
    "article", "aside", "details", "div", "dl", "figure", "footer", "header", "hr", "main", "nav", "ol", "p", "pre",
    "script", "section", "table", "ul",
}  # fmt: skip
_CELLS = {"th", "td"}
_MAY_HOLD = {
    "html": {"head", "body"},
    "head": {"meta", "title", "style", "script"},
    "table": {"caption", "thead", "tbody", "tfoot"},
    "thead": {"tr"}, "tbody": {"tr"}, "tfoot": {"tr"}, "tr": _CELLS,
    "ul": {"li"}, "ol": {"li"}, "dl": {"dt", "dd"},
    "figure": _FLOW | {"figcaption"}, "details": _FLOW | {"summary"},
    "svg": {"rect", "line", "circle", "text", "path", "g"}, "text": {"tspan"},
    "select": {"option"}, "option": set(), "title": set(), "style": set(), "script": set(),
    **dict.fromkeys(("p", *_HEADINGS, *_PHRASING - {"select", "svg"}), _PHRASING),
}  # fmt: skip
"""What each element may hold; of the elements that are not named here, whatever stands in a body."""

_WITHOUT_TEXT = {"html", "head", "table", "thead", "tbody", "tfoot", "tr", "ul", "ol", "dl", "select", "svg"}
_REFERENCE = re.compile(r"&(#\d+|#x[0-9a-fA-F]+|\w+)?;?")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    parent: Element | None = field(repr=False)
    children: list[Element] = field(default_factory=list, repr=False)
    own_text: str = ""

    def lineage(self) -> Iterator[Element]:
        """The element and all that hold it."""
        element: Element | None = self
        while element is not None:
            yield element
            element = element.parent

    def text(self) -> str:
        return self.own_text + "".join(child.text() for child in self.children)


class PageReader(HTMLParser):
    """Builds the tree of a page.

    Raises:
        AssertionError: on an unclosed or crossed element, an element or text where none of its kind may stand, an
            attribute given twice, a bare or unknown character reference, or text after the end.
    """

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.doctype = ""
        self._open: list[Element] = []
        self.feed(page)
        self.close()
        _check_references(page)
        assert not self._open, f"never closed: {[element.tag for element in self._open]}"

    def handle_decl(self, decl: str) -> None:
        assert not self.elements, "the doctype comes first"
        self.doctype = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        parent = self._open[-1] if self._open else None
        if parent is None:
            assert tag == "html" and not self.elements, f"<{tag}> outside the page"
        else:
            assert tag in _MAY_HOLD.get(parent.tag, _FLOW), f"<{parent.tag}> may not hold <{tag}>"
        element = Element(tag, dict(attrs), parent)
        if parent is not None:
            parent.children.append(element)
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _SVG_EMPTY, f"<{tag}/> is no HTML"
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].tag == tag, f"</{tag}> closes {self._open[-1:] or 'nothing'}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            holder = self._open[-1]
            assert holder.tag not in _WITHOUT_TEXT or not data.strip(), f"text in <{holder.tag}>: {data!r}"
            holder.own_text += data
        else:
            assert not data.strip(), f"text outside the page: {data!r}"

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]


def _check_references(page: str) -> None:
    """Each ``&`` outside of scripts and styles begins a character reference that exists and ends with its semicolon."""
    body = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    for found in _REFERENCE.finditer(body):
        name = found.group(1) or ""
        known = name.startswith("#") or f"{name};" in html5
        assert known and found.group().endswith(";"), f"{found.group()!r} is no character reference"
