"""What the tests of figures share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from another_outcome import traces_of_the_default
from espark.plots.style import SMALL, save_figure
from espark.wording import THIN

Result = TypeVar("Result")


def without_missing_glyphs(draw: Callable[[], Result]) -> Result:
    """Draw, whatever scripts this machine has no fonts for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        return draw()


@pytest.fixture
def words() -> Callable[[Figure], str]:
    """All visible words of a figure, drawn first so that tick labels are there; narrow gaps read as spaces."""

    def read(figure: Figure) -> str:
        without_missing_glyphs(figure.draw_without_rendering)
        texts = [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        text = "\n".join(texts).replace(THIN, " ")
        assert not traces_of_the_default(text)
        return text

    return read


@pytest.fixture
def check_saved(tmp_path: Path) -> Callable[[Callable[[], Figure]], Figure]:
    """Draw a figure twice: same bytes both times, no type under the smallest size, nothing cut off at the edges."""

    def check(draw: Callable[[], Figure]) -> Figure:
        figure = draw()
        first, second = (
            save_figure(figure, tmp_path / "first", dpi=60),
            save_figure(draw(), tmp_path / "second", dpi=60),
        )
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes()
        drawn = without_missing_glyphs(figure.get_tightbbox)
        width, height = figure.get_size_inches()
        assert drawn.x0 > -0.01 and drawn.y0 > -0.01 and drawn.x1 < width + 0.01 and drawn.y1 < height + 0.01
        for text in figure.findobj(Text):
            assert text.get_fontsize() >= SMALL or not text.get_text().strip(), text.get_text()
        return figure

    return check
