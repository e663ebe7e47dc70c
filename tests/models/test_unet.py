"""The U-Net keeps places, and its weights survive a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from espark.ct.segmentation.weights_file import WEIGHTS_FILE, load_network, save_network
from espark.errors import InputError, SegmenterError
from espark.files import save_tensors
from espark.models.unet import UNet3d, UNetShape

SMALL = UNetShape(widths=(4, 6, 8))


@pytest.mark.parametrize("size", [(8, 12, 16), (4, 4, 4)])
def test_one_logit_per_voxel_and_region(size: tuple[int, int, int]) -> None:
    assert UNet3d(SMALL).eval()(torch.zeros(2, 2, *size)).shape == (2, 2, *size)
    assert SMALL.multiple == 4


def test_a_shift_of_the_image_by_the_coarsest_voxel_shifts_the_answer() -> None:
    torch.manual_seed(0)
    network = UNet3d(SMALL).eval()
    image = torch.randn(1, 2, 32, 32, 32)
    shifted = torch.roll(image, 4, dims=2)
    with torch.inference_mode():
        one, other = network(image), network(shifted)
    middle = slice(14, 20)
    torch.testing.assert_close(one[:, :, 12:16, middle, middle], other[:, :, 16:20, middle, middle])


def test_weights_survive_a_file(tmp_path: Path) -> None:
    network = UNet3d(SMALL).half().float()
    save_network(tmp_path, network, {"seed": "1"})
    loaded = load_network(tmp_path)
    assert loaded.shape == SMALL and not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_network(tmp_path)
    save_tensors(
        tmp_path / WEIGHTS_FILE, {"a": torch.zeros(1)}, {"shape": '{"widths": [4], "inputs": 2, "outputs": 2}'}
    )
    with pytest.raises(SegmenterError, match="not weights of espark-mini-seg"):
        load_network(tmp_path)
