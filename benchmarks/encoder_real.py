"""How well the embedded encoder's product words and counts fit real H&E that it never saw.

    python benchmarks/encoder_real.py --set consep-train   # for development
    python benchmarks/encoder_real.py --set crchisto       # 30 colon fields, for development
    python benchmarks/encoder_real.py --set consep-test    # for judging

What a study uses is measured: the similarity of a tile to the ten cell types, by the function that ``espark prepare``
calls, and the expected counts. A tile is a quarter of a field (about 125 µm); a quadrant is a quarter of a tile. A tile
is rich in a type if 40 % or more of its typed nuclei belong to it, and fewer than 40 % to the other one. Two scores
need no encoder: mean hematoxylin and the share of dark pixels, each with the sign that suits it. Intervals: bootstrap
over fields; the margins over these two are paired. Both sets are colon: neutrophils are not a class of their own, and
there is no squamous tumor.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from encoder_figures import Figure, auc, rank_correlation, show, with_interval, write
from real_nuclei import EPITHELIAL, FIBROBLAST, INFLAMMATORY, SETS, UNTYPED, NucleiField, Views, cut, read_fields
from skimage.color import rgb2hed

from espark.cells import CELL_TYPES, COUNTED_CELLS
from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import load_encoder

ZOOMS = (1.0, 0.7, 1.4)
LARGEST_FALL = 0.03
DENSE = 0.6
"""Least share of inflammatory nuclei in a dense infiltrate."""

RICH = 0.4
LEAST_VIEWS = 5
"""Comparisons with fewer views on one side are left out."""

LEAST_TYPED = 0.5
"""Views of which fewer nuclei than this share have a type are left out of the comparisons."""

_IMMUNE = ("lymphocyte", "neutrophil")
_TUMOR = ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell")
_STROMA = ("stromal_cell",)


@dataclass(frozen=True)
class Contrast:
    """One type against another: the words and the counts a study uses for each.

    Attributes:
        title: in the table.
        types: the two types of nuclei.
        words: the two cell types.
        counted: the two groups of counted cells.
        wanted: least AUC on tiles and on quadrants.
    """

    title: str
    types: tuple[int, int]
    words: tuple[str, str]
    counted: tuple[tuple[str, ...], tuple[str, ...]]
    wanted: tuple[float, float]


CONTRASTS = (
    Contrast("inflammatory against epithelial", (INFLAMMATORY, EPITHELIAL), ("immune_cell", "tumor_cell"),
             (_IMMUNE, _TUMOR), (0.93, 0.90)),
    Contrast("fibroblast against epithelial", (FIBROBLAST, EPITHELIAL), ("stromal_cell", "tumor_cell"),
             (_STROMA, _TUMOR), (0.93, 0.90)),
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """Views of one size at one zoom, and what the encoder finds in them: (n,) for each cell type and counted cell."""

    views: Views
    similarity: dict[str, np.ndarray]
    counts: dict[str, np.ndarray]

    def expected(self, names: tuple[str, ...]) -> np.ndarray:
        return np.sum([self.counts[name] for name in names], axis=0)


def look(encoder: Encoder, words: np.ndarray, fields: list[NucleiField], parts: int, zoom: float) -> Seen:
    views = cut(fields, parts, zoom)
    vectors = encoder.encode_tiles(views.pictures)
    similarity = cell_type_similarity(vectors, words)
    counts = encoder.expected_counts(vectors)
    assert counts is not None
    return Seen(
        views,
        {cell.key: similarity[:, column] for column, cell in enumerate(CELL_TYPES)},
        {key: counts[:, column] * views.area * zoom**2 for column, key in enumerate(COUNTED_CELLS)},
    )


def baselines(views: Views) -> dict[str, np.ndarray]:
    """Scores without an encoder."""
    hematoxylin = np.array([rgb2hed(picture)[..., 0].mean() for picture in views.pictures])
    return {"mean hematoxylin": hematoxylin, "dark pixels": (views.pictures.mean(axis=3) < 140).mean(axis=(1, 2))}


def compare(seen: dict[float, Seen], contrast: Contrast, title: str, wanted: float, least: int) -> list[Figure]:
    """AUC of views rich in one type against views rich in the other, for every score."""
    views = seen[1.0].views
    typed = np.delete(views.counts, UNTYPED, axis=1).sum(axis=1)
    usable = (typed >= least) & (typed >= LEAST_TYPED * views.counts.sum(axis=1))
    share = views.counts[:, contrast.types] / np.maximum(typed, 1)[:, None]
    one, other = (share >= RICH).T
    use, rich = usable & (one ^ other), one
    if min((use & rich).sum(), (use & ~rich).sum()) < LEAST_VIEWS:
        return []
    task = f"{title}, {contrast.title}, AUC"

    def figure(score: str, column: np.ndarray, least_value: float | None = None) -> Figure:
        bare = Figure(task, score, 0.0, int(use.sum()), "views", positive=int(rich[use].sum()), wanted=least_value)
        return with_interval(bare, auc, column[use], rich[use], views.field[use])

    found, scores = [], {}
    for zoom, at in seen.items():
        words = at.similarity[contrast.words[0]] - at.similarity[contrast.words[1]]
        amounts = [at.expected(names) for names in contrast.counted]
        counted = np.log1p(amounts[0]) - np.log1p(amounts[1])
        for score, column in (("words", words), ("counts", counted)):
            least_value = wanted if zoom == 1.0 else scores[score][0] - LARGEST_FALL
            found.append(figure(f"{score} ×{zoom:g}", column, least_value))
            if zoom == 1.0:
                scores[score] = (found[-1].value, column)
    rivals = {}
    for name, column in baselines(views).items():
        column = column if auc(column[use], rich[use]) >= 0.5 else -column
        found.append(figure(name, column))
        rivals[name] = (found[-1].value, column)
    for score, (_, column) in scores.items():
        for name, (_, rival) in rivals.items():
            found.append(_margin(figure(f"{score} − {name}", column), column[use], rival[use], rich[use],
                                 views.field[use]))  # fmt: skip
    return found


def _margin(bare: Figure, score: np.ndarray, rival: np.ndarray, rich: np.ndarray, field: np.ndarray) -> Figure:
    """AUC of a score minus that of its rival on the same views."""

    def statistic(both: np.ndarray, positive: np.ndarray) -> float:
        return auc(both[:, 0], positive) - auc(both[:, 1], positive)

    return with_interval(bare, statistic, np.column_stack([score, rival]), rich, field)


def count(seen: Seen, title: str) -> list[Figure]:
    """Expected against true counts."""
    views, everything = seen.views, seen.expected(COUNTED_CELLS)
    true = views.counts.sum(axis=1)
    tumor = seen.expected(_TUMOR)
    columns = (
        ("all cells", everything, true),
        ("immune, inflammatory", seen.expected(_IMMUNE), views.counts[:, INFLAMMATORY]),
        ("tumor, epithelial", tumor, views.counts[:, EPITHELIAL]),
        ("stromal, fibroblast", seen.expected(_STROMA), views.counts[:, FIBROBLAST]),
    )
    found = [_figure(f"{title}, all expected / all true", name, _ratio, one, other, views)
             for name, one, other in columns]  # fmt: skip
    found += [_figure(f"{title}, expected with true count, Spearman", name, rank_correlation, one, other, views)
              for name, one, other in columns]  # fmt: skip
    empty = true == 0
    if empty.any():
        mean = float(everything[empty].mean() / views.area)
        found.append(
            Figure(f"{title} without a nucleus, expected cells a tile", "mean", mean, int(empty.sum()), "views")
        )
    inflamed = views.counts[:, INFLAMMATORY] >= DENSE * np.maximum(true, 1)
    inflamed &= true >= 40 * views.area
    if inflamed.any():
        for name, amount in (("tumor cells", tumor), ("immune cells", seen.expected(_IMMUNE))):
            value = float(amount[inflamed].sum() / true[inflamed].sum())
            found.append(Figure(f"{title}, dense infiltrate, expected over all nuclei", name, value,
                                int(inflamed.sum()), "views"))  # fmt: skip
    return found


def _ratio(one: np.ndarray, other: np.ndarray) -> float:
    return float(one.sum() / max(other.sum(), 1))


def _figure(
    task: str, name: str, statistic: Callable[[np.ndarray, np.ndarray], float], one: np.ndarray, other: np.ndarray,
    views: Views,
) -> Figure:  # fmt: skip
    return with_interval(Figure(task, name, 0.0, len(one), "views"), statistic, one, other, views.field)


def evaluate(name: str, encoder: Encoder) -> list[Figure]:
    fields, words = read_fields(name), text_embeddings(encoder)
    sizes = (("tile", 2, 8), ("quadrant", 4, 4))
    seen = {title: {zoom: look(encoder, words, fields, parts, zoom) for zoom in ZOOMS} for title, parts, _ in sizes}
    found = []
    for contrast in CONTRASTS:
        for (title, _, least), wanted in zip(sizes, contrast.wanted, strict=True):
            found += compare(seen[title], contrast, f"{name}, {title}", wanted, least)
    for zoom, at in seen["tile"].items():
        found += count(at, f"{name}, tile ×{zoom:g}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default=SETS[0])
    parser.add_argument("--weights", type=Path, default=None, help="folder with weights (default: the package's)")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    figures = evaluate(options.set, load_encoder("espark-mini", weights=options.weights))
    show(figures)
    write(options.json, f"python benchmarks/encoder_real.py --set {options.set}", options.weights, figures)


if __name__ == "__main__":
    main()
