"""How well the embedded encoder's words and counts fit a virtual trial: tiles and patients of the external centers.

    espark simulate trial --seed 100 --patients 344
    python benchmarks/encoder_trial.py trial [--patients 20]

Reported figures come from seed 100; trials with seeds 0–99 are for development. Tiles with an artefact or with less
than 30 % of tissue are left out. Intervals: bootstrap over patients. Each criterion ends with PASS or FALLS SHORT.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.encoders.base import Encoder
from espark.pathology.encoders.load import load_encoder
from espark.pathology.slide import open_slide
from espark.registry import CELL_TYPE_KEYS, COUNTED_CELLS
from espark.simulate.centers import CENTERS

TILE_PX, LEAST_TISSUE = 256, 0.3
RESAMPLES = 400
RICH = 8
"""A tile is rich in a cell when it shows at least so many, and more than twice as many as of the other."""

WELL, POOR = "well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"
WANTED_SPEARMAN = {"lymphocyte": 0.6, "neutrophil": 0.6}
PAIRS = (
    ("neutrophil", "lymphocyte", 0.90),
    ("tumor_cell", "stromal_cell", 0.95),
    (WELL, POOR, 0.85),
)
WANTED_PATIENT = 0.75


def external_patients(trial: Path, most: int | None) -> list[str]:
    """Patients of the external centers whose truth is there, at most so many of each center."""
    names = []
    for center in CENTERS:
        if not center.development:
            names += sorted(path.stem for path in (trial / "truth" / "tiles").glob(f"{center.name}-*.parquet"))[:most]
    return names


def read_patient(trial: Path, patient: str, encoder: Encoder, words: np.ndarray) -> pd.DataFrame:
    """True counts ``n_*``, similarities ``s_*`` and expected counts ``e_*`` of a patient's tiles."""
    truth = pd.read_parquet(trial / "truth" / "tiles" / f"{patient}.parquet")
    truth = truth[(truth["artefact"] == "") & (truth["tissue_fraction"] >= LEAST_TISSUE)].reset_index(drop=True)
    with open_slide(trial / "slides" / f"{patient}.tif") as slide:
        tiles = [slide.read_tile(x, y, TILE_PX, TILE_PX) for x, y in zip(truth["x"], truth["y"], strict=True)]
    features = encoder.encode_tiles(np.stack(tiles))
    similarity, expected = cell_type_similarity(features, words), encoder.expected_counts(features)
    assert expected is not None
    for column, key in enumerate(CELL_TYPE_KEYS):
        truth[f"s_{key}"] = similarity[:, column]
    for column, key in enumerate(COUNTED_CELLS):
        truth[f"e_{key}"] = expected[:, column]
    truth["n_tumor_cell"] = truth[f"n_{WELL}"] + truth[f"n_{POOR}"]
    return truth.assign(patient=patient)


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    n = positive.sum()
    if n in (0, len(positive)):
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one, other).statistic)


def with_interval(statistic: Callable[[np.ndarray], float], group: np.ndarray) -> dict[str, float]:
    """Value and 95 % percentile interval over resampled groups; ``statistic`` takes row numbers."""
    members = [np.flatnonzero(group == name) for name in np.unique(group)]
    rng = np.random.default_rng(0)
    values = [
        statistic(np.concatenate([members[index] for index in rng.integers(0, len(members), len(members))]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return {"value": statistic(np.arange(len(group))), "low": float(low), "high": float(high)}


def tile_rows(tiles: pd.DataFrame) -> list[dict]:
    """Similarity and expected count against the true count, and pairs of types told apart, tile by tile."""
    group, rows = tiles["patient"].to_numpy(), []
    for prefix, name in (("s", "similarity"), ("e", "expected count")):
        for key in COUNTED_CELLS:
            score, count = tiles[f"{prefix}_{key}"].to_numpy(), tiles[f"n_{key}"].to_numpy()
            found = with_interval(lambda i, s=score, c=count: rank_correlation(s[i], c[i]), group)
            wanted = WANTED_SPEARMAN.get(key) if prefix == "s" else None
            rows.append({"task": f"tile, {name} with true count, Spearman: {key}", **found, "n": len(tiles),
                         "wanted": wanted})  # fmt: skip
    for one, other, wanted in PAIRS:
        a, b = tiles[f"n_{one}"].to_numpy(), tiles[f"n_{other}"].to_numpy()
        rich, rival = (a >= RICH) & (a > 2 * b), (b >= RICH) & (b > 2 * a)
        use = rich | rival
        score, positive = (tiles[f"s_{one}"] - tiles[f"s_{other}"]).to_numpy()[use], rich[use]
        found = with_interval(lambda i, s=score, y=positive: auc(s[i], y[i]), group[use])
        rows.append({"task": f"tile, rich in {one} against {other}, AUC", **found, "n": int(use.sum()),
                     "positive": int(positive.sum()), "wanted": wanted})  # fmt: skip
    return rows


def patient_rows(tiles: pd.DataFrame, truth: pd.DataFrame | None) -> list[dict]:
    """NLR and differentiation of patients from expected counts, against the tiles' truth and the biology behind it."""
    sums = tiles.drop(columns=["x", "y", "artefact"]).groupby("patient").sum()
    rows = []
    for name, first, second in (("NLR", "neutrophil", "lymphocyte"), ("differentiation", WELL, POOR)):
        expected = (sums[f"e_{first}"] / sums[f"e_{second}"]).to_numpy()
        counted = ((sums[f"n_{first}"] + 0.5) / (sums[f"n_{second}"] + 0.5)).to_numpy()
        behind = {"counted": counted}
        if truth is not None:
            behind["true"] = truth.set_index("patient_id").loc[sums.index, name.lower()].to_numpy()
        for kind, value in behind.items():
            found = with_interval(lambda i, e=expected, v=value: rank_correlation(e[i], v[i]), np.arange(len(sums)))
            rows.append({"task": f"patient, expected with {kind} {name}, Spearman", **found, "n": len(sums),
                         "wanted": WANTED_PATIENT})  # fmt: skip
    return rows


def verdict(row: dict) -> str:
    if row["wanted"] is None:
        return ""
    return f"{'PASS' if row['value'] >= row['wanted'] else 'FALLS SHORT'} (≥ {row['wanted']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path, help="folder that `espark simulate` wrote")
    parser.add_argument("--patients", type=int, default=None, help="at most so many of each center (default: all)")
    parser.add_argument("--weights", type=Path, default=None, help="folder with weights (default: the package's)")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    encoder = load_encoder("espark-mini", weights=options.weights)
    words = text_embeddings(encoder)
    names = external_patients(options.trial, options.patients)
    if not names:
        parser.error(f"{options.trial} holds no truth of external patients")
    tiles = pd.concat([read_patient(options.trial, name, encoder, words) for name in names], ignore_index=True)
    table = options.trial / "truth" / "patients.csv"
    rows = tile_rows(tiles) + patient_rows(tiles, pd.read_csv(table) if table.is_file() else None)
    print(f"{len(tiles)} tiles of {len(names)} external patients")
    for row in rows:
        positive = f", {row['positive']} positive" if "positive" in row else ""
        print(f"{row['task']:<88} {row['value']:6.3f} [{row['low']:.3f}, {row['high']:.3f}] "
              f"n = {row['n']}{positive}  {verdict(row)}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
