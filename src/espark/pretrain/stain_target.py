"""Computes the target of the stain normalization: ``python -m espark.pretrain.stain_target``.

The target is sixteen simulated tiles (seeds from 1000 up) in the stain of the simulator's first laboratory, whose
hematoxylin and eosin are those of Ruifrok and Johnston to within a degree. Of them only the profiles are kept, as
plain numbers; no patient's slide has any part in it.
"""

from __future__ import annotations

import numpy as np
import torch

from espark.files import write_json
from espark.pathology.stain.normalizer import METHODS, TARGET_FILE, profile_to_json
from espark.simulate.histology.stain_style import slide_style
from espark.simulate.histology.tile import simulate_tile
from espark.types import ByteArray

FIRST_SEED = 1000
_TILES = 16


def target_tiles() -> ByteArray:
    """The tiles of the target, uint8 (16, 256, 256, 3)."""
    seeds = range(FIRST_SEED, FIRST_SEED + _TILES)
    return np.stack([simulate_tile(np.random.default_rng(seed), style=slide_style(0))[0] for seed in seeds])


def stain_targets() -> dict[str, dict[str, list[list[float]]]]:
    """The target's profile by method, as it is in ``target.json``."""
    pixels = torch.tensor(target_tiles()).reshape(-1, 3).float()
    return {name: profile_to_json(method.profile(pixels)) for name, method in METHODS.items()}


if __name__ == "__main__":
    write_json(TARGET_FILE, stain_targets())
