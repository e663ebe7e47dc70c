"""Text that can be read: contrast of each color of text on each ground, as the style sheets and figures set them."""

from __future__ import annotations

import itertools
import re

import pytest

from espark.plots import style
from espark.report.pages import asset

LEAST = 4.5
"""Contrast that WCAG 2.2 asks for (AA, text of any size)."""

_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COLOR = re.compile(r"#[0-9a-f]{3,8}\b|var\(--[\w-]+\)")


def _linear(channel: int) -> float:
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    """Relative luminance of ``#rgb`` or ``#rrggbb``, 0 to 1 (WCAG 2.2)."""
    digits = color.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    assert len(digits) == 6, f"{color} is see-through: what lies beneath is not known"
    red, green, blue = (_linear(int(digits[start : start + 2], 16)) for start in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _colors(sheet: str) -> tuple[set[str], set[str]]:
    """Every color of text and every color of a ground that a style sheet sets; variables are looked up."""
    known = dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]+)", sheet))
    texts, grounds = set(), set()
    for selector, body in _RULE.findall(re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)):
        for name, value in re.findall(r"(?:^|;)\s*([\w-]+)\s*:\s*([^;]+)", body):
            found = {known.get(color[4:-1], color) for color in _COLOR.findall(value)}
            assert not any("var" in color for color in found), f"unknown color in {value}"
            drawn = re.search(r"(text|-name)\s*$", selector.strip())
            if name == "color" or (name == "fill" and drawn):
                texts |= found
            elif name in {"background", "background-color"} or (name == "fill" and ".zone" in selector):
                grounds |= found
    return texts, grounds


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#777777", "#ffffff") < LEAST
    texts, grounds = _colors(":root { --a: #123456; } p { color: var(--a); background: #fff }")
    assert (texts, grounds) == ({"#123456"}, {"#fff"})


@pytest.mark.parametrize("name", ["report.css", "drawings.css"])
def test_every_text_of_a_page_stands_out_from_every_ground(name: str) -> None:
    texts, grounds = _colors(str(asset(name)))
    panel = re.search(r"--panel: (#\w+)", str(asset("report.css")))
    assert texts and grounds and panel
    grounds |= {"#fff", panel.group(1)}
    # The desk around the page carries no text.
    desk = re.search(r"html \{[^}]*background: (#\w+)", str(asset("report.css")))
    assert desk
    pairs = {(text, ground): contrast(text, ground) for text, ground in itertools.product(texts, grounds - {desk[1]})}
    assert {pair: round(found, 2) for pair, found in pairs.items() if found < LEAST} == {}


def test_every_text_of_a_figure_stands_out_from_white() -> None:
    assert contrast(style.MUTED, "#fff") >= LEAST
