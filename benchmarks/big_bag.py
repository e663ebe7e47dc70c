"""Memory and time of training on one bag of 100,000 tiles, for every aggregator.

    python benchmarks/big_bag.py                       # all tiles in one step, and as study.toml has it (max_tiles)
    python benchmarks/big_bag.py --aggregator transmil

Each measurement is a process of its own: CytoPath is trained for one epoch on the large bag and on one of 50 tiles, 512
numbers a tile (as CONCH has), 10 similarities, cell-type selection off, so that every tile enters. Peak memory is that
of the whole process, Python and torch included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from espark.models.aggregators.catalogue import AGGREGATORS

TILES, SMALL, DIM, LIMIT_GB = 100_000, 50, 512, 2.0


def measure(aggregator: str, tiles: int, max_tiles: int) -> dict[str, float]:
    """Train in this process; its peak memory in GB and the seconds that training took."""
    from espark.training.inputs import Bag, Inputs
    from espark.training.members.cytopath import CytoPathMember
    from espark.training.settings import ModelSettings
    from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings

    rng = np.random.default_rng(0)
    bags = tuple(
        Bag(rng.standard_normal((size, DIM), dtype=np.float32), np.zeros((size, 10), np.float32))
        for size in (tiles, SMALL)
    )
    inputs = Inputs(("large", "small"), (), (), np.zeros((2, 0), np.float32), bags)
    chosen = CytoPathSettings(aggregator=aggregator, epochs=1, max_tiles=max_tiles, cell_type_selection=False)
    settings = ModelSettings(MScaleCTSettings(), chosen, ESparkSettings())
    start = time.perf_counter()
    CytoPathMember.train(inputs, np.array([1, 0]), settings, 0)
    seconds = time.perf_counter() - start
    # Linux counts kilobytes, macOS bytes.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return {"gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aggregator", choices=list(AGGREGATORS), default=None, help="one of them; all by default")
    parser.add_argument("--tiles", type=int, default=TILES)
    parser.add_argument("--max-tiles", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.max_tiles is not None:
        print(json.dumps(measure(options.aggregator, options.tiles, options.max_tiles)))
        return
    print(f"aggregator        tiles in a step   peak GB   seconds   criterion (< {LIMIT_GB:g} GB)")
    for name in [options.aggregator] if options.aggregator else list(AGGREGATORS):
        for max_tiles in (options.tiles, 1000):
            arguments = ["--aggregator", name, "--tiles", str(options.tiles), "--max-tiles", str(max_tiles)]
            answer = subprocess.run(
                [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True
            )  # fmt: skip
            found = json.loads(answer.stdout)
            verdict = "PASS" if found["gb"] < LIMIT_GB else "FALLS SHORT"
            print(f"{name:<16}  {max_tiles:>15,}  {found['gb']:8.2f}  {found['seconds']:8.1f}   {verdict}", flush=True)


if __name__ == "__main__":
    main()
