"""The embedded segmenter: windows agree with the whole, bfloat16 with float32, and the card with the weights."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from espark.ct.segmentation import mini
from espark.ct.segmentation.mini import MiniSegmenter
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE, load_network
from espark.ct.segmentation.working_grid import WorkingCt
from espark.models.precision import computes_bfloat16
from espark.models.unet import UNet3d, UNetShape


def grid(shape: tuple[int, int, int] = (52, 37, 44)) -> WorkingCt:
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.normal(0, 80, shape).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    return WorkingCt(image)


def shallow() -> MiniSegmenter:
    """A network that sees only few voxels far, so that windows can agree exactly."""
    torch.manual_seed(0)
    segmenter = MiniSegmenter(UNet3d(UNetShape(widths=(4, 6))))
    segmenter.bfloat16 = False
    return segmenter


def test_overlapping_windows_agree_with_one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = shallow()
    whole = segmenter.probabilities(grid())
    assert whole.shape == (2, 52, 37, 44) and whole.min() >= 0 and whole.max() <= 1
    monkeypatch.setattr(mini, "_WINDOW", (32, 24, 24))
    # The border of a window sees padding instead of tissue; its weight in the mean is small.
    assert np.abs(segmenter.probabilities(grid()) - whole).mean() < 2e-3


def test_every_voxel_is_in_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini, "_WINDOW", (32, 24, 24))
    for shape in ((32, 24, 24), (40, 56, 24), (200, 104, 96)):
        seen = np.zeros(shape, int)
        for box in mini._boxes(shape, 8):
            assert all(part.start % 8 == 0 and part.stop <= n for part, n in zip(box, shape, strict=True))
            seen[box] += 1
        assert seen.min() >= 1


@pytest.mark.skipif(not computes_bfloat16(torch.device("cpu")), reason="this processor has no bfloat16")
def test_bfloat16_agrees_with_float32() -> None:
    segmenter = MiniSegmenter(load_network(SHIPPED))
    assert segmenter.bfloat16
    fast = segmenter.probabilities(grid((24, 32, 32)))
    segmenter.bfloat16 = False
    assert np.abs(segmenter.probabilities(grid((24, 32, 32))) - fast).max() < 0.05


def test_the_model_card_belongs_to_the_shipped_weights() -> None:
    weights = SHIPPED / WEIGHTS_FILE
    assert weights.stat().st_size < 15e6
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    for benchmark in ("segmentation_real.py", "segmentation_virtual.py"):
        assert f"benchmarks/{benchmark}" in card
