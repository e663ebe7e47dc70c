"""The image tower of a folder in timm's format: ``config.json`` beside the weights."""

from __future__ import annotations

from pathlib import Path

import torch

from espark.errors import EncoderError
from espark.files import read_json
from espark.pathology.encoders.pixels import from_timm
from espark.pathology.encoders.towers import Towers
from espark.pathology.encoders.weights import LOAD_ERRORS, first_line, load_library


def timm_towers(folder: Path, device: torch.device) -> Towers:
    """A timm model without its classifier.

    Raises:
        EncoderError: when the folder cannot be loaded.
    """
    timm = load_library("timm")
    path = folder / "config.json"
    content = read_json(path)
    try:
        model = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0)
        preprocessing = from_timm(content.get("pretrained_cfg", content), path)
    except LOAD_ERRORS as error:
        raise EncoderError(f"the model cannot be loaded ({first_line(error)})", where=folder) from error
    return Towers(model.eval().requires_grad_(False).to(device), None, preprocessing)
