"""The weights of the embedded segmenter as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from espark.errors import SegmenterError
from espark.files import load_tensors, read_safetensors_notes, save_tensors
from espark.models.unet import UNet3d, UNetShape

WEIGHTS_FILE = "espark-mini-seg.safetensors"
SHIPPED = Path(__file__).with_name("weights")


def save_network(folder: Path, network: UNet3d, notes: Mapping[str, str]) -> None:
    """Write weights (half precision) with the size of the network and how it was fitted.

    Args:
        folder: folder to write to.
        network: the fitted network.
        notes: text for the metadata of the weights.
    """
    tensors = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    save_tensors(folder / WEIGHTS_FILE, tensors, {"shape": json.dumps(network.shape.to_json()), **notes})


def load_network(folder: Path) -> UNet3d:
    """Read what `save_network` wrote.

    Raises:
        InputError: when the file is missing or damaged.
        SegmenterError: when the weights do not belong to this network.
    """
    path = folder / WEIGHTS_FILE
    tensors = load_tensors(path)
    try:
        network = UNet3d(UNetShape.from_json(json.loads(read_safetensors_notes(path)["shape"])))
        network.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SegmenterError(f"these are not weights of espark-mini-seg ({error})", where=path) from error
    return network.eval().requires_grad_(False)
