"""How well the embedded encoder's words and counts fit a virtual trial: tiles and patients of the external centers.

    espark simulate trial --seed 100 --patients 344
    python benchmarks/encoder_trial.py trial [--patients 20]

Reported figures come from seeds 100 and 101; trials with seeds 0–99 are for development. Tiles with an artefact or with
less than 30 % of tissue are left out. Intervals: bootstrap over patients. Each criterion ends with PASS or FALLS SHORT.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from encoder_figures import Figure, auc, rank_correlation, show, with_interval, write

from espark.cells import CELL_TYPES, COUNTED_CELLS
from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import load_encoder
from espark.pathology.slide import open_slide
from espark.simulate.people.centers import CENTERS

TILE_PX, LEAST_TISSUE = 256, 0.3
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
    for column, key in enumerate(entry.key for entry in CELL_TYPES):
        truth[f"s_{key}"] = similarity[:, column]
    for column, key in enumerate(COUNTED_CELLS):
        truth[f"e_{key}"] = expected[:, column]
    truth["n_tumor_cell"] = truth[f"n_{WELL}"] + truth[f"n_{POOR}"]
    return truth.assign(patient=patient)


def tile_figures(tiles: pd.DataFrame) -> list[Figure]:
    """Similarity and expected count against the true count, and pairs of types told apart, tile by tile."""
    group, found = tiles["patient"].to_numpy(), []
    for prefix, name in (("s", "similarity"), ("e", "expected count")):
        for key in COUNTED_CELLS:
            score, count = tiles[f"{prefix}_{key}"].to_numpy(), tiles[f"n_{key}"].to_numpy()
            wanted = WANTED_SPEARMAN.get(key) if prefix == "s" else None
            figure = Figure(f"tile, {name} with true count, Spearman", key, 0.0, len(tiles), "tiles", wanted=wanted)
            found.append(with_interval(figure, rank_correlation, score, count, group))
    for one, other, wanted in PAIRS:
        a, b = tiles[f"n_{one}"].to_numpy(), tiles[f"n_{other}"].to_numpy()
        rich, rival = (a >= RICH) & (a > 2 * b), (b >= RICH) & (b > 2 * a)
        use = rich | rival
        score, positive = (tiles[f"s_{one}"] - tiles[f"s_{other}"]).to_numpy()[use], rich[use]
        figure = Figure(f"tile, rich in {one} against {other}, AUC", "similarity", 0.0, int(use.sum()), "tiles",
                        positive=int(positive.sum()), wanted=wanted)  # fmt: skip
        found.append(with_interval(figure, auc, score, positive, group[use]))
    return found


def patient_figures(tiles: pd.DataFrame, truth: pd.DataFrame) -> list[Figure]:
    """NLR and differentiation of patients from expected counts, against the biology behind the slides and the count."""
    sums = tiles.drop(columns=["x", "y", "artefact"]).groupby("patient").sum()
    found = []
    for name, first, second in (("NLR", "neutrophil", "lymphocyte"), ("differentiation", WELL, POOR)):
        expected = (sums[f"e_{first}"] / sums[f"e_{second}"].clip(lower=0.1)).to_numpy()
        behind = {
            f"true {name}": truth.set_index("patient_id").loc[sums.index, name.lower()].to_numpy(),
            f"{name} counted on the tiles": ((sums[f"n_{first}"] + 0.5) / (sums[f"n_{second}"] + 0.5)).to_numpy(),
        }
        for kind, value in behind.items():
            wanted = WANTED_PATIENT if kind.startswith("true") else None
            figure = Figure("patient, ratio of expected counts, Spearman", f"with {kind}", 0.0, len(sums), "patients",
                            wanted=wanted)  # fmt: skip
            found.append(with_interval(figure, rank_correlation, expected, value, np.arange(len(sums))))
    return found


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
    figures = tile_figures(tiles) + patient_figures(tiles, pd.read_csv(options.trial / "truth" / "patients.csv"))
    print(f"{len(tiles)} tiles of {len(names)} external patients")
    show(figures)
    most = "" if options.patients is None else f" --patients {options.patients}"
    seed = json.loads((options.trial / "truth" / "trial.json").read_text(encoding="utf-8"))["seed"]
    command = f"python benchmarks/encoder_trial.py TRIAL-OF-SEED-{seed}{most}"
    write(options.json, command, options.weights, figures)


if __name__ == "__main__":
    main()
