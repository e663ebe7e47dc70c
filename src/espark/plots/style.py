"""What all figures share: sizes, fonts, colors that color-blind readers can distinguish, and how a figure is saved."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import get_font_names
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

from espark.files import write_bytes, write_text
from espark.outcome import Outcome

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

SINGLE_COLUMN = 3.35
"""Width in inches of a one-column figure in print (85 mm)."""

DOUBLE_COLUMN = 6.85
"""Width in inches of a full-width figure in print (174 mm)."""

SMALL = 7.0
"""Smallest type in points at print size."""

DPI = 300
"""Pixels per inch of a figure for print."""

PAGE_DPI = 130
"""Pixels per inch of a figure on a page."""

# Okabe & Ito, "Color Universal Design" (2008).
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"

PALETTE: tuple[str, ...] = (BLUE, ORANGE, GREEN, SKY, VERMILLION, BLACK, PURPLE)
"""Colors in the order in which series use them."""

LINE_STYLES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1)),
    (0, (5, 1, 1, 1)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
"""Line styles in addition to colors, so that a grey print can be read too."""

MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X")

POSITIVE_COLOR, NEGATIVE_COLOR, UNKNOWN_COLOR = BLUE, VERMILLION, "#999999"
POSITIVE_MARKER, NEGATIVE_MARKER = "^", "o"
SCALE_COLORS: dict[str, str] = {"tumor": VERMILLION, "esophagus": SKY, "peritumoral": YELLOW, "image": PURPLE}
MODEL_COLORS: dict[str, str] = {"mscalect": ORANGE, "cytopath": GREEN, "espark": BLUE}
MUTED = "#666666"
FAINT = "#D9D9D9"

# DejaVu Sans comes with matplotlib, so that a figure is the same everywhere; the others only add missing characters.
_FALLBACK_FONTS = ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei")

_STYLE: dict[str, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "patch.linewidth": 0.7,
    "figure.dpi": 100.0,
    "figure.facecolor": "white",
    # Names of patients, centers and columns are shown unchanged, dollar signs included.
    "text.parse_math": False,
    "svg.hashsalt": "espark",
    "svg.fonttype": "path",
}


def _rc() -> dict[str, Any]:
    installed = set(get_font_names())
    return _STYLE | {"font.family": ["DejaVu Sans", *(font for font in _FALLBACK_FONTS if font in installed)]}


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let ``draw`` use the shared style, without using or changing the caller's settings of matplotlib."""

    @wraps(draw)
    def under_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(cast(Any, _rc()))
            return draw(*args, **kwargs)

    return under_style


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that lays out its parts without overlap.

    Args:
        width: inches.
        height: inches.
    """
    return Figure(figsize=(width, height), layout="constrained")


@styled
def save_figure(figure: Figure, path_without_suffix: Path, *, dpi: int = DPI) -> tuple[Path, Path]:
    """Write a figure as SVG and as PNG, atomically. The same figure always gives the same bytes.

    Args:
        figure: what to write.
        path_without_suffix: folder and name; ``.svg`` and ``.png`` are added.
        dpi: pixels per inch of the PNG, and of pictures inside the SVG.

    Returns:
        Paths of the SVG and of the PNG.
    """
    svg, png = (path_without_suffix.with_name(path_without_suffix.name + suffix) for suffix in (".svg", ".png"))
    write_text(svg, figure_svg(figure, dpi=dpi))
    write_bytes(png, figure_png(figure, dpi=dpi))
    return svg, png


@styled
def figure_png(figure: Figure, *, dpi: int = PAGE_DPI) -> bytes:
    """The figure as PNG, for a page that contains its pictures. The same figure always gives the same bytes.

    Args:
        figure: what to render.
        dpi: pixels per inch.
    """
    return _rendered(figure, "png", dpi, {"Software": None})


@styled
def figure_svg(figure: Figure, *, dpi: int = PAGE_DPI) -> str:
    """The figure as an SVG document. The same figure always gives the same text."""
    return _rendered(figure, "svg", dpi, {"Date": None, "Creator": None}).decode("utf-8")


def _rendered(figure: Figure, kind: str, dpi: int, metadata: dict[str, str | None]) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        # Characters without an installed font are drawn as boxes; that must not stop a study.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        _settle_layout(figure)
        figure.savefig(content, format=kind, dpi=dpi, metadata=metadata)
    return content.getvalue()


def _settle_layout(figure: Figure) -> None:
    """Lay out the panels once and round their places.

    The solver's last digits depend on the addresses of its variables, and matplotlib hashes them into the names of an
    SVG's clip paths: without this, the same figure gives different bytes in a different run.
    """
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        return
    pictures = [image for axes in figure.axes for image in axes.images if image.get_visible()]
    for image in pictures:  # they take most of the time, and have no place of their own
        image.set_visible(False)
    figure.draw_without_rendering()
    for image in pictures:
        image.set_visible(True)
    # With no engine at all, matplotlib does not lay out, and so draw, a second time before it writes.
    figure.set_layout_engine(None)
    _round_parts(figure)
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(6)))


def _round_parts(figure: FigureBase) -> None:
    """Round the places of subfigures; the places of their panels are relative to them."""
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
        _round_parts(part)


def both_outcomes(outcome: Outcome) -> tuple[tuple[int, str, str, str], tuple[int, str, str, str]]:
    """Label, name, color and marker of the patients without the outcome, then of the patients with it."""
    return (
        (0, outcome.negation, NEGATIVE_COLOR, NEGATIVE_MARKER),
        (1, outcome.name, POSITIVE_COLOR, POSITIVE_MARKER),
    )


def in_lines(text: str, characters: int) -> str:
    """A label in lines of so many characters, at most; a longer word stays whole."""
    return "\n".join(textwrap.wrap(text, characters, break_long_words=False, break_on_hyphens=False))


def say_nothing_to_show(axes: Axes, message: str) -> None:
    """Fill an empty panel with the reason why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, message, ha="center", va="center", transform=axes.transAxes, color=MUTED, wrap=True)
