"""How many tiles of 256 px the embedded encoder encodes per second, and how large it is.

    python benchmarks/encoder_speed.py [--threads 2]

Repeated, and the median is told; the interval spans all repeats. The load of the machine is told too: on a busy one
the figure is a lower bound.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from encoder_figures import Figure, show, write

from espark.pathology.encoders.load import load_encoder
from espark.pathology.encoders.mini import SHIPPED

WANTED, LARGEST_MB = 150.0, 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiles", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--weights", type=Path, default=None, help="folder with weights (default: the package's)")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    encoder = load_encoder("espark-mini", weights=options.weights, device="cpu")
    tiles = np.random.default_rng(0).integers(0, 255, (options.tiles, 256, 256, 3), np.uint8)
    encoder.encode_tiles(tiles[:64])
    rates, busy = [], []
    for _ in range(options.repeats):
        started, worked = time.perf_counter(), time.process_time()
        encoder.encode_tiles(tiles)
        rates.append(len(tiles) / (time.perf_counter() - started))
        busy.append(options.threads * len(tiles) / (time.process_time() - worked))
    size = sum(path.stat().st_size for path in (options.weights or SHIPPED).iterdir()) / 1e6
    name, count = f"{options.threads} threads", options.tiles
    figures = [
        Figure("tiles of 256 px per second", name, float(np.median(rates)), count, "tiles", min(rates), max(rates),
               wanted=WANTED),
        Figure("tiles per second of processor time × threads", name, float(np.median(busy)), count, "tiles",
               min(busy), max(busy)),
        Figure("room below 10 MB, MB", "weights, vocabulary, card", LARGEST_MB - size, 1, "folder", wanted=0.0),
    ]  # fmt: skip
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"load {load:.1f} on {cores} cores")
    show(figures)
    write(options.json, f"python benchmarks/encoder_speed.py --threads {options.threads}", options.weights, figures)


if __name__ == "__main__":
    main()
