"""From an encoder's name to the encoder."""

from __future__ import annotations

from pathlib import Path

import torch

from espark.errors import EncoderError, nearest
from espark.pathology.encoders.base import Encoder
from espark.pathology.encoders.mini import SHIPPED, MiniEncoder
from espark.registry import ENCODERS


def load_encoder(name: str, *, weights: Path | None = None, device: str = "auto") -> Encoder:
    """Load an encoder of the registry. Nothing is fetched from the network.

    Args:
        name: a name in `espark.registry.ENCODERS`.
        weights: folder with the encoder's files, where it is not embedded or others shall be used.
        device: ``auto`` (GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        EncoderError: when the encoder is unknown, its weights are missing, or the device is not there.
    """
    if name not in ENCODERS:
        near = nearest(name, ENCODERS)
        raise EncoderError(
            f"there is no encoder {name!r}",
            expected=f"one of {', '.join(ENCODERS)}",
            action=f"Did you mean {near}?" if near else None,
        )
    folder = weights or SHIPPED
    if not folder.is_dir():
        raise EncoderError("the folder with the weights is missing", where=folder)
    return MiniEncoder.from_folder(folder, device=choose_device(device))


def choose_device(device: str) -> torch.device:
    """The torch device of a name; ``auto`` takes the first GPU where there is one.

    Raises:
        EncoderError: when the name is no device, or the device is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise EncoderError(f"{device!r} is no device", expected="auto, cpu, cuda or cuda:<number>") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise EncoderError(f"this machine has no device {device!r}", action="Choose auto or cpu.")
    return chosen
