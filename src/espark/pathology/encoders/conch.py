"""CONCH through its authors' package, https://github.com/mahmoodlab/CONCH."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from espark.errors import EncoderError
from espark.pathology.encoders.pixels import CLIP_MEAN, CLIP_SD, Preprocessing
from espark.pathology.encoders.towers import Towers
from espark.pathology.encoders.weights import LOAD_ERRORS, first_line, load_library

WEIGHTS_FILE = "pytorch_model.bin"
_ARCHITECTURE = "conch_ViT-B-16"
_LONGEST = 127
"""Number of tokens of a phrase. The network adds its class token as the 128th."""


def conch_towers(folder: Path, device: torch.device) -> Towers:
    """Image and text towers of CONCH, both projected to their common space.

    Raises:
        EncoderError: when the weights do not belong to CONCH.
    """
    library = load_library("conch.open_clip_custom")
    path = folder / WEIGHTS_FILE
    try:
        # torch.load unpickles only tensors here. This is its default in every version that espark allows.
        model = library.create_model_from_pretrained(_ARCHITECTURE, str(path), device=device, return_transform=False)
    except LOAD_ERRORS as error:
        raise EncoderError(f"the weights cannot be loaded ({first_line(error)})", where=path) from error
    model = model.eval().requires_grad_(False)
    tokenizer = library.get_tokenizer()

    def text(phrases: list[str]) -> Tensor:
        tokens = tokenizer(phrases, max_length=_LONGEST, padding="max_length", truncation=True, return_tensors="pt")
        placed = torch.nn.functional.pad(tokens["input_ids"], (0, 1), value=tokenizer.pad_token_id)
        vectors: Tensor = model.encode_text(placed.to(device))
        return vectors

    size = model.visual.image_size
    side = int(size if isinstance(size, int) else size[0])
    return Towers(model.encode_image, text, Preprocessing(side, side, CLIP_MEAN, CLIP_SD))
