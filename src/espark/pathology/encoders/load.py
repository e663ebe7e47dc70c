"""From an encoder's name to the encoder."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Literal

import torch

from espark.errors import EncoderError, nearest
from espark.files import digest
from espark.models.devices import choose_device
from espark.pathology.encoders.catalogue import ENCODERS, EncoderEntry
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.mini import SHIPPED, MiniEncoder
from espark.pathology.encoders.towers import TowerEncoder, Towers
from espark.pathology.encoders.weights import find_folder, need_packages, weight_files, weights_hash
from espark.types import Precision

EMBEDDED = "espark-mini"

_LOADERS: dict[str, str] = {
    "conch": "conch.conch_towers",
    "clip": "hugging_face.clip_towers",
    "open-clip": "open_clip.open_clip_towers",
    "hf-vision": "hugging_face.vision_towers",
    "timm": "timm_vision.timm_towers",
}
"""Where each kind of encoder is loaded; its libraries are imported only then."""


def load_encoder(
    name: str,
    *,
    weights: str | Path | None = None,
    root: Path | None = None,
    label: str = "",
    device: str = "auto",
    precision: Precision | Literal["auto"] = "auto",
) -> Encoder:
    """Load an encoder of the catalogue. Nothing is fetched from the network.

    Args:
        name: a name in `espark.pathology.encoders.catalogue.ENCODERS`.
        weights: folder with the encoder's files, or the name of a model of the Hugging Face hub that was downloaded
            before; not needed for the embedded one.
        root: folder to which a relative ``weights`` belongs.
        label: how files and reports call the encoder; its name when empty.
        device: ``auto`` (GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        precision: numbers in which the embedded encoder computes; ``auto``: bfloat16 where the device has it in
            hardware. All others compute in float32.

    Raises:
        EncoderError: when the encoder is unknown, or its libraries or weights are missing. The message holds the steps
            that bring what is missing.
        DeviceError: when the device is not there.
    """
    entry = find_entry(name)
    if name == EMBEDDED:
        folder = find_folder(entry, weights, root) if weights else SHIPPED
        return MiniEncoder.from_folder(folder, device=choose_device(device), precision=precision)
    if precision == "bfloat16":
        raise EncoderError(
            "only the embedded encoder computes in bfloat16",
            where=f"encoder {name}",
            action='Set precision = "auto" under [slides] in study.toml.',
        )
    folder = find_folder(entry, weights, root)
    files = weight_files(folder, entry)
    need_packages(entry)
    module, function = _LOADERS[name].split(".")
    load: Callable[[Path, torch.device], Towers] = getattr(
        import_module(f"espark.pathology.encoders.{module}"), function
    )
    chosen = choose_device(device)
    towers = load(folder, chosen)
    identity = digest([weights_hash(files), towers.preprocessing.to_json()])
    return TowerEncoder(towers, name=label or name, entry=name, weights_hash=identity, device=chosen)


def find_entry(name: str) -> EncoderEntry:
    """The entry of the catalogue.

    Raises:
        EncoderError: when there is none; the nearest is named.
    """
    if name not in ENCODERS:
        near = nearest(name, ENCODERS)
        raise EncoderError(
            f"there is no encoder {name!r}",
            expected=f"one of {', '.join(ENCODERS)}",
            action=f"Did you mean {near}?" if near else None,
        )
    return ENCODERS[name]
