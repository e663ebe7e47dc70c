"""Reads a page the strict way: what a browser would silently mend is an error here."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "link", "input", "hr", "wbr", "source"}
_SVG_EMPTY = {"rect", "line", "circle"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    parent: Element | None = field(repr=False)
    children: list[Element] = field(default_factory=list, repr=False)
    own_text: str = ""

    def text(self) -> str:
        return self.own_text + "".join(child.text() for child in self.children)


class PageReader(HTMLParser):
    """Builds the tree of a page.

    Raises:
        AssertionError: on an unclosed or crossed element, an attribute given twice, or text after the end.
    """

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.doctype = ""
        self._open: list[Element] = []
        self.feed(page)
        self.close()
        assert not self._open, f"never closed: {[element.tag for element in self._open]}"

    def handle_decl(self, decl: str) -> None:
        assert not self.elements, "the doctype comes first"
        self.doctype = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        parent = self._open[-1] if self._open else None
        assert parent is not None or tag == "html"
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
            self._open[-1].own_text += data
        else:
            assert not data.strip(), f"text outside the page: {data!r}"

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]
