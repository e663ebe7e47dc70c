"""How well the embedded encoder's words and counts fit simulated tiles whose truth is known.

    python benchmarks/encoder_simulated.py [--tiles 1500] [--seed 900000]

Tiles are drawn fresh, with seeds that the fit never used (and never those of the virtual trial), each in a center's
style or in a random one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.encoders.load import load_encoder
from espark.registry import CELL_TYPE_KEYS, COUNTED_CELLS
from espark.simulate.tile import simulate_tile

_PARTS = {
    "stromal_cell": ("stromal_cell",),
    "immune_cell": ("lymphocyte", "neutrophil"),
    "squamous_cell": ("squamous_cell",),
    "squamous_cell_carcinoma": ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
    "tumor_cell": ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
    "neutrophil": ("neutrophil",),
    "lymphocyte": ("lymphocyte",),
    "well_differentiated_tumor_cell": ("well_differentiated_tumor_cell",),
    "poorly_differentiated_tumor_cell": ("poorly_differentiated_tumor_cell",),
    "endothelial_cell": ("endothelial_cell",),
}


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    n = positive.sum()
    if n in (0, len(positive)):
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=900_000)
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    encoder = load_encoder("espark-mini", weights=options.weights)
    pictures, truths = zip(
        *(simulate_tile(np.random.default_rng([options.seed, index])) for index in range(options.tiles)), strict=True
    )
    counts = np.array([[truth.counts[key] for key in COUNTED_CELLS] for truth in truths])
    features = encoder.encode_tiles(np.stack(pictures))
    similarity = dict(zip(CELL_TYPE_KEYS, cell_type_similarity(features, text_embeddings(encoder)).T, strict=True))
    column = {key: counts[:, index] for index, key in enumerate(COUNTED_CELLS)}
    figures: dict[str, float] = {}
    for key, parts in _PARTS.items():
        figures[f"similarity, Spearman with count: {key}"] = float(
            spearmanr(similarity[key], sum(column[part] for part in parts)).statistic
        )
    expected = encoder.expected_counts(features)
    if expected is not None:
        for index, key in enumerate(COUNTED_CELLS):
            figures[f"expected count, Spearman: {key}"] = float(
                spearmanr(expected[:, index], counts[:, index]).statistic
            )
            figures[f"expected count, total expected / true: {key}"] = float(
                expected[:, index].sum() / counts[:, index].sum()
            )
    pairs = (
        ("neutrophil", "lymphocyte", 10), ("tumor_cell", "stromal_cell", 12),
        ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell", 12),
        ("squamous_cell", "tumor_cell", 12),
    )  # fmt: skip
    for one, other, least in pairs:
        a, b = (sum(column[part] for part in _PARTS[key]) for key in (one, other))
        rich, rival = (a >= least) & (a > 2 * b), (b >= least) & (b > 2 * a)
        use = rich | rival
        figures[f"AUC {one} against {other} (n = {int(use.sum())})"] = auc(
            (similarity[one] - similarity[other])[use], rich[use]
        )
    for name, value in figures.items():
        print(f"{name:<85} {value:.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
