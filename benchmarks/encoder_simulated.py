"""How well the embedded encoder's words and counts fit simulated tiles of every kind, of any stain.

    python benchmarks/encoder_simulated.py [--tiles 1500] [--seed 900000]

Tiles are drawn fresh, with seeds that the fit never used (and never those of the virtual trial), each in a random
style. `encoder_trial.py` scores the tiles of a virtual trial instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from encoder_figures import Figure, auc, rank_correlation, show, with_interval, write

from espark.cells import CELL_TYPES, COUNTED_CELLS
from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.encoders.load import load_encoder
from espark.simulate.histology.tile import simulate_tile

_TUMOR = ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell")
_PARTS = {
    "immune_cell": ("lymphocyte", "neutrophil"),
    "squamous_cell_carcinoma": _TUMOR,
    "tumor_cell": _TUMOR,
}
_PAIRS = (("neutrophil", "lymphocyte", 10), ("tumor_cell", "stromal_cell", 12), (*_TUMOR, 12),
          ("squamous_cell", "tumor_cell", 12))  # fmt: skip


def ratio_of_sums(expected: np.ndarray, true: np.ndarray) -> float:
    return float(expected.sum() / true.sum())


def figures_of(similarity: np.ndarray, expected: np.ndarray, counts: np.ndarray) -> list[Figure]:
    """Figures of all tiles: similarity (n, types), expected and true counts (n, counted)."""
    n, each = len(counts), np.arange(len(counts))
    true = {key: counts[:, index] for index, key in enumerate(COUNTED_CELLS)}
    true |= {key: np.sum([true[part] for part in parts], axis=0) for key, parts in _PARTS.items()}
    like = dict(zip((entry.key for entry in CELL_TYPES), similarity.T, strict=True))
    found = []
    for key in like:
        figure = Figure("similarity with true count, Spearman", key, 0.0, n, "tiles")
        found.append(with_interval(figure, rank_correlation, like[key], true[key], each))
    for index, key in enumerate(COUNTED_CELLS):
        figure = Figure("expected with true count, Spearman", key, 0.0, n, "tiles")
        found.append(with_interval(figure, rank_correlation, expected[:, index], true[key], each))
    for index, key in enumerate(COUNTED_CELLS):
        figure = Figure("all expected cells / all true cells", key, 0.0, n, "tiles")
        found.append(with_interval(figure, ratio_of_sums, expected[:, index], true[key], each))
    for one, other, least in _PAIRS:
        rich, rival = ((true[a] >= least) & (true[a] > 2 * true[b]) for a, b in ((one, other), (other, one)))
        use = rich | rival
        s, y = (like[one] - like[other])[use], rich[use]
        figure = Figure(
            f"rich in {one} against {other}, AUC", "similarity", 0.0, len(s), "tiles", positive=int(y.sum())
        )
        found.append(with_interval(figure, auc, s, y, np.arange(len(s))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=900_000)
    parser.add_argument("--weights", type=Path, default=None, help="folder with weights (default: the package's)")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    encoder = load_encoder("espark-mini", weights=options.weights)
    pictures, truths = zip(
        *(simulate_tile(np.random.default_rng([options.seed, index])) for index in range(options.tiles)), strict=True
    )
    counts = np.array([[truth.counts[key] for key in COUNTED_CELLS] for truth in truths])
    features = encoder.encode_tiles(np.stack(pictures))
    expected = encoder.expected_counts(features)
    assert expected is not None
    figures = figures_of(cell_type_similarity(features, text_embeddings(encoder)), expected, counts)
    show(figures)
    command = f"python benchmarks/encoder_simulated.py --tiles {options.tiles} --seed {options.seed}"
    write(options.json, command, options.weights, figures)


if __name__ == "__main__":
    main()
