"""How many tiles of 256 px the embedded encoder encodes per second, how large it is, and how far bfloat16 may be
trusted.

    python benchmarks/encoder_speed.py [--threads 2] [--precision auto] [--drawn 400]

Repeated, and the median is printed; the interval spans all repeats. The load of the machine is printed too: on a busy
one the figure is a lower bound. ``--precision both`` times float32 and bfloat16 in turn in the same run. Where
bfloat16 is computed, both precisions encode the same simulated tiles (seeds that the fit never used); the likeness of
their vectors and counts is printed.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from encoder_figures import Figure, rank_correlation, show, with_interval, write

from espark.cells import COUNTED_CELLS
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import load_encoder
from espark.pathology.encoders.mini import SHIPPED
from espark.simulate.histology.tile import simulate_tile
from espark.types import Precision

WANTED, LARGEST_MB = 150.0, 10.0
_SEED = 930_000


def speed(encoders: list[Encoder], threads: int, count: int, repeats: int) -> list[Figure]:
    """Tiles per second of the clock and of the processor, the encoders in turn."""
    tiles = np.random.default_rng(0).integers(0, 255, (count, 256, 256, 3), np.uint8)
    rates: dict[str, list[float]] = {encoder.precision: [] for encoder in encoders}
    busy: dict[str, list[float]] = {encoder.precision: [] for encoder in encoders}
    for encoder in encoders:
        encoder.encode_tiles(tiles[:64])
    for _ in range(repeats):
        for encoder in encoders:
            started, worked = time.perf_counter(), time.process_time()
            encoder.encode_tiles(tiles)
            rates[encoder.precision].append(count / (time.perf_counter() - started))
            busy[encoder.precision].append(threads * count / (time.process_time() - worked))
    return [
        Figure(
            task, f"{threads} threads, {name}", float(np.median(found)), count, "tiles", min(found), max(found),
            wanted=wanted,
        )
        for task, by_name, wanted in (
            ("tiles of 256 px per second", rates, WANTED),
            ("tiles per second of processor time × threads", busy, None),
        )
        for name, found in by_name.items()
    ]  # fmt: skip


def counts_of(encoder: Encoder, vectors: np.ndarray) -> np.ndarray:
    counts = encoder.expected_counts(vectors)
    assert counts is not None
    return counts


def agreement(exact: Encoder, rounded: Encoder, count: int) -> list[Figure]:
    """How alike the two precisions are on simulated tiles, and how well the counts of each fit the truth."""
    pictures, truths = zip(*(simulate_tile(np.random.default_rng([_SEED, index])) for index in range(count)),
                           strict=True)  # fmt: skip
    vectors = [encoder.encode_tiles(np.stack(pictures)) for encoder in (exact, rounded)]
    cosine = (vectors[0] * vectors[1]).sum(axis=1, dtype=np.float64)
    task, each = "bfloat16 with float32, cosine of the vectors", np.arange(count)
    figures = [
        Figure(task, "least", float(cosine.min()), count, "tiles", wanted=0.999),
        Figure(task, "mean", float(cosine.mean()), count, "tiles"),
    ]
    counts = [counts_of(encoder, found) for encoder, found in zip((exact, rounded), vectors, strict=True)]
    for column, key in enumerate(COUNTED_CELLS):
        true = np.array([truth.counts[key] for truth in truths])
        for encoder, found in zip((exact, rounded), counts, strict=True):
            figure = Figure("expected with true count, Spearman", f"{key}, {encoder.precision}", 0.0, count, "tiles")
            figures.append(with_interval(figure, rank_correlation, found[:, column], true, each))
    for column, key in enumerate(COUNTED_CELLS):
        ratio = float(counts[1][:, column].sum() / counts[0][:, column].sum())
        figures.append(Figure("all expected cells, bfloat16 / float32", key, ratio, count, "tiles"))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiles", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16", "both"), default="both")
    parser.add_argument("--drawn", type=int, default=400, help="simulated tiles on which the precisions are compared")
    parser.add_argument("--weights", type=Path, default=None, help="folder with weights (default: the package's)")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names: tuple[Precision | Literal["auto"], ...] = (
        ("float32", "bfloat16") if options.precision == "both" else (options.precision,)
    )
    encoders = [load_encoder("espark-mini", weights=options.weights, device="cpu", precision=name) for name in names]
    auto = load_encoder("espark-mini", weights=options.weights, device="cpu").precision
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; by itself the encoder computes in {auto} here")
    figures = speed(encoders, options.threads, options.tiles, options.repeats)
    size = sum(path.stat().st_size for path in (options.weights or SHIPPED).iterdir()) / 1e6
    figures.append(
        Figure("room below 10 MB, MB", "weights, vocabulary, card", LARGEST_MB - size, 1, "folder", wanted=0.0)
    )
    if options.precision == "both" and options.drawn:
        figures += agreement(encoders[0], encoders[1], options.drawn)
    show(figures)
    command = f"python benchmarks/encoder_speed.py --threads {options.threads} --precision {options.precision}"
    write(options.json, command, options.weights, figures)


if __name__ == "__main__":
    main()
