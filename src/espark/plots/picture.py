"""A figure as bytes, for pages that carry their pictures with them."""

from __future__ import annotations

import io
import warnings

from matplotlib.figure import Figure

from espark.plots.style import styled


@styled
def figure_png(figure: Figure, *, dpi: int = 130, key: str | None = None) -> bytes:
    """The figure as PNG. The same figure always gives the same bytes.

    Args:
        figure: what to render.
        dpi: pixels per inch.
        key: hash of what the figure shows, kept in the file's ``Comment``.
    """
    metadata = {"Software": None, **({"Comment": key} if key else {})}
    return _rendered(figure, "png", dpi, metadata)


@styled
def figure_svg(figure: Figure, *, dpi: int = 130) -> str:
    """The figure as an SVG document. The same figure always gives the same text."""
    return _rendered(figure, "svg", dpi, {"Date": None, "Creator": None}).decode("utf-8")


def _rendered(figure: Figure, kind: str, dpi: int, metadata: dict[str, str | None]) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(content, format=kind, dpi=dpi, metadata=metadata)
    return content.getvalue()
