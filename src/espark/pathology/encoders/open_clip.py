"""Towers of a folder in open_clip format: ``open_clip_config.json`` beside the weights."""

from __future__ import annotations

from pathlib import Path

import torch

from espark.errors import EncoderError
from espark.files import read_json
from espark.pathology.encoders.pixels import from_open_clip
from espark.pathology.encoders.towers import Towers
from espark.pathology.encoders.weights import LOAD_ERRORS, first_line, load_library


def open_clip_towers(folder: Path, device: torch.device) -> Towers:
    """Image and text towers of an open_clip model.

    Raises:
        EncoderError: when the folder cannot be loaded.
    """
    open_clip = load_library("open_clip")
    path = folder / "open_clip_config.json"
    content = read_json(path)
    try:
        model = open_clip.create_model(f"local-dir:{folder}", device=device, weights_only=True)
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    except LOAD_ERRORS as error:
        raise EncoderError(f"the model cannot be loaded ({first_line(error)})", where=folder) from error
    model = model.eval().requires_grad_(False)
    return Towers(
        model.encode_image,
        lambda phrases: model.encode_text(tokenizer(phrases).to(device)),
        from_open_clip(content, path),
    )
