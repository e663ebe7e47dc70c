"""How well the embedded encoder's words fit real H&E: CoNSeP nuclei, read at 0.5 µm per pixel.

    python benchmarks/encoder_real.py --split train      # for development
    python benchmarks/encoder_real.py --split test       # scored once

A patch (64 µm) or a quadrant of it (32 µm) is scored by the difference of two text similarities. Beside it stand two
scores that need no encoder: mean hematoxylin and the share of dark pixels, each with the sign that suits it.
Intervals: bootstrap over source images. CoNSeP is colon: it knows no neutrophils (inflammatory cells are one class)
and no differentiation of squamous tumors, so it says nothing about those.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from encoder_figures import Figure, auc, rank_correlation, show, with_interval, write
from PIL import Image
from scipy.io import loadmat
from skimage.color import rgb2hed

from espark.pathology.cell_types import text_embeddings
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import load_encoder

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "nuclei" / "consep"
INFLAMMATORY, EPITHELIAL, SPINDLE = 2, 3, 4
PROMPTS = {
    INFLAMMATORY: ("inflammatory cell", "immune cell", "lymphocyte", "plasma cell"),
    EPITHELIAL: ("epithelial cell", "glandular cell"),
    SPINDLE: ("spindle cell", "stromal cell", "fibroblast"),
}
"""What CoNSeP's classes are called in words; a class's vector is the mean over its words and all templates."""

NATIVE_MPP, MPP = 0.25, 0.5
ZOOMS = (1.0, 0.7, 1.4)
LARGEST_FALL = 0.05


@dataclass(frozen=True)
class Views:
    """Pictures with the classes of their nuclei.

    Attributes:
        source: source image of each view, for the bootstrap.
        share: share of each class (columns by class number), and `number` of nuclei.
        score: by zoom, similarity to each class's words: {zoom: {class: (n,)}}.
        baseline: scores without an encoder.
    """

    source: np.ndarray
    share: np.ndarray
    number: np.ndarray
    score: dict[float, dict[int, np.ndarray]]
    baseline: dict[str, np.ndarray]


def class_vectors(encoder: Encoder) -> np.ndarray:
    """One vector of length 1 for each class of `PROMPTS`, in its order."""
    vectors = np.stack([text_embeddings(encoder, names=names).mean(axis=0) for names in PROMPTS.values()])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def gather(split: str, encoder: Encoder, quadrants: bool) -> Views:
    corners = [(0, 0), (0, 128), (128, 0), (128, 128)] if quadrants else [(0, 0)]
    side = 128 if quadrants else 256
    pictures, source, share, number, hematoxylin, dark = [], [], [], [], [], []
    for path in sorted((DATA / "images" / split).glob("*.jpg")):
        rgb = np.asarray(Image.open(path).convert("RGB"))
        nuclei = loadmat(DATA / "type_mat" / split / f"{path.stem}.mat")
        kind, centre = nuclei["inst_type"].ravel(), nuclei["inst_centroid"].reshape(-1, 2)
        for top, left in corners:
            part = rgb[top : top + side, left : left + side]
            at = centre - (left, top)
            inside = ((at >= 0) & (at < side)).all(axis=1)
            counts = np.bincount(kind[inside].astype(int), minlength=5)[:5]
            pictures.append(part)
            source.append(path.stem.rsplit("_", 1)[0])
            number.append(counts.sum())
            share.append(counts / max(counts.sum(), 1))
            hematoxylin.append(rgb2hed(part)[..., 0].mean())
            dark.append((part.mean(axis=2) < 140).mean())
    words, score = class_vectors(encoder), {}
    for zoom in ZOOMS:
        target = round(side * NATIVE_MPP / MPP * zoom)
        small = [np.asarray(Image.fromarray(p).resize((target, target), Image.Resampling.BICUBIC)) for p in pictures]
        similarity = encoder.encode_tiles(np.stack(small)) @ words.T
        score[zoom] = {kind: similarity[:, column] for column, kind in enumerate(PROMPTS)}
    baseline = {"mean hematoxylin": np.array(hematoxylin), "dark pixels": np.array(dark)}
    return Views(np.array(source), np.array(share), np.array(number), score, baseline)


def scores_of(views: Views, one: int, other: int) -> dict[str, np.ndarray]:
    """Every score by its name: the similarity at each scale, and the baselines."""
    return {f"similarity ×{zoom:g}": by[one] - by[other] for zoom, by in views.score.items()} | views.baseline


def criteria(figures: list[Figure], wanted: float) -> list[Figure]:
    """Give the first figure (true scale) its criterion, and the other scales theirs: no fall by more than 0.05."""
    least = {"similarity ×1": wanted} | {
        f"similarity ×{zoom:g}": figures[0].value - LARGEST_FALL for zoom in ZOOMS if zoom != 1.0
    }
    return [Figure(**{**vars(figure), "wanted": least.get(figure.score)}) for figure in figures]


def compare(views: Views, task: str, pair: tuple[int, int], shares: tuple[float, float], nuclei: int) -> list[Figure]:
    """AUC of telling views with the given shares of one class and of the other, for every score."""
    rich, rival = (views.share[:, kind] >= least for kind, least in zip(pair, shares, strict=True))
    use = (views.number >= nuclei) & (rich ^ rival)
    found = []
    for name, score in scores_of(views, *pair).items():
        s, y = score[use], rich[use]
        sign = -1.0 if name in views.baseline and auc(s, y) < 0.5 else 1.0
        figure = Figure(task, name, 0.0, len(s), "views", positive=int(y.sum()))
        found.append(with_interval(figure, auc, sign * s, y, views.source[use]))
    return found


def correlate(views: Views, task: str, pair: tuple[int, int], nuclei: int) -> list[Figure]:
    """Spearman correlation with the difference of the two classes' shares, for every score."""
    use = views.number >= nuclei
    truth = (views.share[:, pair[0]] - views.share[:, pair[1]])[use]
    found = []
    for name, score in scores_of(views, *pair).items():
        s = score[use]
        sign = -1.0 if name in views.baseline and rank_correlation(s, truth) < 0 else 1.0
        figure = Figure(task, name, 0.0, len(s), "views")
        found.append(with_interval(figure, rank_correlation, sign * s, truth, views.source[use]))
    return found


def evaluate(split: str, encoder: Encoder) -> list[Figure]:
    patches, quadrants = gather(split, encoder, False), gather(split, encoder, True)
    inflamed, spindled = (INFLAMMATORY, EPITHELIAL), (SPINDLE, EPITHELIAL)
    infiltrate, fibrous = "inflammatory − epithelial share", "spindle − epithelial share"
    rich_infiltrate, rich_fibrous = "inflammatory against epithelial", "spindle against epithelial"
    tasks = (
        (compare(patches, f"patch, {rich_infiltrate} (≥ 40 and ≥ 60 %), AUC", inflamed, (0.4, 0.6), 8), 0.97),
        (compare(quadrants, f"quadrant, {rich_infiltrate} (≥ 60 %), AUC", inflamed, (0.6, 0.6), 4), 0.96),
        (compare(quadrants, f"quadrant, {rich_fibrous} (≥ 60 %), AUC", spindled, (0.6, 0.6), 4), 0.92),
        (correlate(patches, f"patch, {infiltrate}, Spearman", inflamed, 8), 0.85),
        (correlate(patches, f"patch, {fibrous}, Spearman", spindled, 8), 0.75),
        (correlate(quadrants, f"quadrant, {infiltrate}, Spearman", inflamed, 4), 0.85),
        (correlate(quadrants, f"quadrant, {fibrous}, Spearman", spindled, 4), 0.75),
    )
    return [figure for figures, wanted in tasks for figure in criteria(figures, wanted)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=["train", "test"], default="train")
    parser.add_argument("--weights", type=Path, default=None, help="folder with weights (default: the package's)")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    figures = evaluate(options.split, load_encoder("espark-mini", weights=options.weights))
    show(figures)
    write(options.json, f"python benchmarks/encoder_real.py --split {options.split}", options.weights, figures)


if __name__ == "__main__":
    main()
