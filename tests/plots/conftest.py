"""What the tests of figures share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from espark.plots.style import SMALL, save_figure


@pytest.fixture
def words() -> Callable[[Figure], str]:
    """All visible words of a figure, drawn first so that tick labels are there."""

    def read(figure: Figure) -> str:
        figure.draw_without_rendering()
        return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text())

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
        page = figure.bbox
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text().strip():
                assert text.get_fontsize() >= SMALL, text.get_text()
                box = text.get_window_extent()
                inside = (
                    box.x0 >= page.x0 - 2 and box.x1 <= page.x1 + 2 and box.y0 >= page.y0 - 2 and box.y1 <= page.y1 + 2
                )
                assert inside or not text.get_in_layout(), f"cut off: {text.get_text()!r}"
        return figure

    return check
