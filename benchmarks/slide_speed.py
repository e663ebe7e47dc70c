"""How fast a real slide becomes tiles, against bare OpenSlide reads of the same tiles.

    python benchmarks/slide_speed.py ../shared/data/slides/larynx-20x.tif [--workers 2] [--repeats 3]

Ours: finding tissue and artefacts, laying the grid, reading every tile resampled to 0.5 µm per pixel, judging it, and
Macenko normalization, for which the slide's stain is found from a sample of its tiles first. Bare: `read_region` of the
same tiles at level 0 with as many threads, as RGB arrays, nothing else. Both are measured in turn in the same run, with
a fresh handle each, after one round of bare reads that brings the file into memory; the ratio of each pair counts.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openslide

from espark.pathology.slide import open_slide
from espark.pathology.stain.normalizer import StainNormalizer
from espark.pathology.tiles import Tiles, tile_grid
from espark.pathology.tissue import find_tissue
from espark.pathology.usable_tiles import slide_stain, usable_tiles


def bare(path: Path, tiles: Tiles, workers: int) -> tuple[float, float]:
    """Seconds of the clock and of the processor for bare reads."""
    side = round(tiles.tile_px_level0)
    start, before = time.perf_counter(), time.process_time()
    with openslide.OpenSlide(path) as slide, ThreadPoolExecutor(workers) as pool:

        def read(corner: list[int]) -> int:
            return len(np.asarray(slide.read_region((corner[0], corner[1]), 0, (side, side)).convert("RGB")))

        for _ in pool.map(read, tiles.coords.tolist()):
            pass
    return time.perf_counter() - start, time.process_time() - before


def ours(path: Path, workers: int, normalizer: StainNormalizer) -> tuple[Tiles, dict[str, float]]:
    """The tiles, and seconds by part."""
    start, cpu = time.perf_counter(), time.process_time()
    with open_slide(path) as slide:
        tissue = find_tissue(slide)
        tiles = tile_grid(slide, tissue)
        found = time.perf_counter()
        source = slide_stain(slide, tiles, tissue, normalizer, workers=workers)
        learned = time.perf_counter()
        for _ in usable_tiles(slide, tiles, tissue, stain=normalizer, source=source, workers=workers):
            pass
    end = time.perf_counter()
    return tiles, {"tissue": found - start, "stain": learned - found, "tiles": end - learned, "all": end - start,
                   "cpu": time.process_time() - cpu}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    normalizer = StainNormalizer("macenko")
    tiles, _ = ours(options.slide, options.workers, normalizer)
    bare(options.slide, tiles, options.workers)
    ratios, work = [], []
    print(f"{len(tiles)} tiles, {options.workers} workers; seconds of the clock, and of the processor (CPU)")
    print(
        f"{'':>4}{'bare':>8}{'tissue':>8}{'stain':>8}{'tiles':>8}{'ours':>8}{'rate':>7}{'bare CPU':>10}{'our CPU':>9}"
    )
    for repeat in range(1, options.repeats + 1):
        reference, reference_cpu = bare(options.slide, tiles, options.workers)
        _, seconds = ours(options.slide, options.workers, normalizer)
        ratios.append(reference / seconds["all"])
        work.append(reference_cpu / seconds["cpu"])
        parts = f"{seconds['tissue']:>8.2f}{seconds['stain']:>8.2f}{seconds['tiles']:>8.2f}{seconds['all']:>8.2f}"
        print(f"{repeat:>4}{reference:>8.2f}{parts}{ratios[-1]:>7.0%}{reference_cpu:>10.2f}{seconds['cpu']:>9.2f}")
    median = float(np.median(ratios))
    print(f"CPU of bare reads over ours: median {np.median(work):.0%} (more reliable where other programs are running)")
    verdict = "PASS" if median >= 0.60 else "FALLS SHORT"
    print(
        f"≥ 60 % of the rate of bare reads: {verdict} (median {median:.0%}, {min(ratios):.0%}–{max(ratios):.0%}, "
        f"n = {len(ratios)} repeats)"
    )


if __name__ == "__main__":
    main()
