"""How well the embedded encoder's words fit real H&E: CoNSeP nuclei, read at 0.5 µm per pixel.

    python benchmarks/encoder_real.py --split train      # for development
    python benchmarks/encoder_real.py --split test       # scored once

A patch (64 µm) or a quadrant of it (32 µm) is scored by the difference of two text similarities. Beside it stand two
scores that need no encoder: mean hematoxylin and the number of dark pixels. Intervals: bootstrap over source images.
CoNSeP is colon: it knows no neutrophils (inflammatory cells are one class) and no differentiation of squamous tumors,
so it says nothing about those.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat
from scipy.stats import rankdata, spearmanr
from skimage.color import rgb2hed

from espark.pathology.cell_types import text_embeddings
from espark.pathology.encoders.base import Encoder
from espark.pathology.encoders.load import load_encoder

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "nuclei" / "consep"
INFLAMMATORY, EPITHELIAL, SPINDLE = 2, 3, 4
PROMPTS = {INFLAMMATORY: "inflammatory cell", EPITHELIAL: "epithelial cell", SPINDLE: "stromal cell"}
NATIVE_MPP, MPP = 0.25, 0.5
ZOOMS = (1.0, 0.7, 1.4)
RESAMPLES = 400


@dataclass(frozen=True)
class Views:
    """Pictures with the classes of their nuclei.

    Attributes:
        source: source image of each view, for the bootstrap.
        share: share of each class (columns by class number), and `number` of nuclei.
        score: by zoom, similarity to each prompt: {zoom: {class: (n,)}}.
        baseline: scores without an encoder.
    """

    source: np.ndarray
    share: np.ndarray
    number: np.ndarray
    score: dict[float, dict[int, np.ndarray]]
    baseline: dict[str, np.ndarray]


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
    words = text_embeddings(encoder, names=tuple(PROMPTS.values()))
    score = {}
    for zoom in ZOOMS:
        target = round(side * NATIVE_MPP / MPP * zoom)
        small = [np.asarray(Image.fromarray(p).resize((target, target), Image.Resampling.BICUBIC)) for p in pictures]
        similarity = encoder.encode_tiles(np.stack(small)) @ words.T
        score[zoom] = {kind: similarity[:, column] for column, kind in enumerate(PROMPTS)}
    baseline = {"mean hematoxylin": np.array(hematoxylin), "dark area": np.array(dark)}
    return Views(np.array(source), np.array(share), np.array(number), score, baseline)


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    n = positive.sum()
    if n in (0, len(positive)):
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def interval(
    statistic: Callable[[np.ndarray], float], source: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """95 % percentile interval over resampled source images."""
    names = np.unique(source)
    members = {name: np.flatnonzero(source == name) for name in names}
    values = [
        statistic(np.concatenate([members[name] for name in rng.choice(names, len(names))])) for _ in range(RESAMPLES)
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def compare(views: Views, task: str, one: int, other: int, least: float, most: float, nuclei: int) -> list[dict]:
    """AUC of telling views rich in ``one`` from views rich in ``other``, for every zoom and baseline."""
    rich, rival = views.share[:, one] >= least, views.share[:, other] >= most
    use = (views.number >= nuclei) & (rich ^ rival)
    scores = {f"similarity ×{zoom:g}": by[one] - by[other] for zoom, by in views.score.items()} | views.baseline
    rows = []
    for name, score in scores.items():
        s, y, g = score[use], rich[use], views.source[use]
        sign = -1.0 if name in views.baseline and auc(s, y) < 0.5 else 1.0
        low, high = interval(lambda i, s=s, y=y, sign=sign: auc(sign * s[i], y[i]), g, np.random.default_rng(0))
        rows.append({"task": task, "score": name, "value": auc(sign * s, y), "low": low, "high": high,
                     "n": int(use.sum()), "positive": int(y.sum())})  # fmt: skip
    return rows


def correlate(views: Views, task: str, one: int, other: int, nuclei: int) -> list[dict]:
    """Spearman correlation with the difference of the two classes' shares."""
    use = views.number >= nuclei
    truth = (views.share[:, one] - views.share[:, other])[use]
    scores = {f"similarity ×{zoom:g}": by[one] - by[other] for zoom, by in views.score.items()} | views.baseline
    rows = []
    for name, score in scores.items():
        s, g = score[use], views.source[use]
        value = float(spearmanr(s, truth).statistic)
        low, high = interval(lambda i, s=s: float(spearmanr(s[i], truth[i]).statistic), g, np.random.default_rng(0))
        rows.append({"task": task, "score": name, "value": value, "low": low, "high": high, "n": int(use.sum())})
    return rows


def evaluate(split: str, encoder: Encoder) -> list[dict]:
    patches, quadrants = gather(split, encoder, False), gather(split, encoder, True)
    inflamed, spindled = (INFLAMMATORY, EPITHELIAL), (SPINDLE, EPITHELIAL)
    return [
        *compare(patches, "patch, inflammatory ≥ 40 % against epithelial ≥ 60 %, AUC", *inflamed, 0.4, 0.6, 8),
        *compare(quadrants, "quadrant, inflammatory against epithelial (≥ 60 %), AUC", *inflamed, 0.6, 0.6, 4),
        *compare(quadrants, "quadrant, spindle against epithelial (≥ 60 %), AUC", *spindled, 0.6, 0.6, 4),
        *correlate(patches, "patch, inflammatory − epithelial share, Spearman", *inflamed, 8),
        *correlate(patches, "patch, spindle − epithelial share, Spearman", *spindled, 8),
        *correlate(quadrants, "quadrant, inflammatory − epithelial share, Spearman", *inflamed, 4),
        *correlate(quadrants, "quadrant, spindle − epithelial share, Spearman", *spindled, 4),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=["train", "test"], default="train")
    parser.add_argument("--weights", type=Path, default=None, help="folder with weights (default: the package's)")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    rows = evaluate(options.split, load_encoder("espark-mini", weights=options.weights))
    task = ""
    for row in rows:
        if row["task"] != task:
            task = row["task"]
            print(f"\n{task} (n = {row['n']}" + (f", {row['positive']} positive)" if "positive" in row else ")"))
        print(f"  {row['score']:<18} {row['value']:6.3f}  [{row['low']:.3f}, {row['high']:.3f}]")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
