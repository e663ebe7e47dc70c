"""Towers of a folder in Hugging Face format: CLIP-style models, and vision models without a text side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espark.errors import EncoderError
from espark.pathology.encoders.pixels import from_hugging_face
from espark.pathology.encoders.towers import Towers
from espark.pathology.encoders.weights import LOAD_ERRORS, first_line, load_library

_UNUSED = ("pooler", "position_ids", "mask_token", "logit_scale", "logit_bias")
"""Parameters that do not change any vector."""
_WORD_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")
_MOST_TOKENS = 77
"""Length of CLIP's phrases; prompts are far shorter."""


def clip_towers(folder: Path, device: torch.device) -> Towers:
    """A CLIP-style model: image and text towers with a common space.

    Raises:
        EncoderError: when the folder holds a different kind of model, or only a part of it.
    """
    model = _load_model(folder, device)
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise EncoderError(
            f"{type(model).__name__} has no text side", where=folder, action='Use encoder = "hf-vision" for it.'
        )
    tokenizer = _load_tokenizer(folder)
    longest = min(int(model.config.text_config.max_position_embeddings), _MOST_TOKENS)

    def text(phrases: list[str]) -> Tensor:
        tokens = tokenizer(phrases, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
        return _vectors(model.get_text_features(**tokens.to(device)))

    return Towers(
        lambda pixels: _vectors(model.get_image_features(pixel_values=pixels)), text, from_hugging_face(folder)
    )


def vision_towers(folder: Path, device: torch.device) -> Towers:
    """A vision model (ViT, DINOv2, Swin, ResNet …): the class token if it has one, otherwise the mean over positions.

    Raises:
        EncoderError: when the folder does not hold a complete model.
    """
    model = _load_model(folder, device)
    has_class_token = any(name.endswith(("cls_token", "class_embedding")) for name, _ in model.named_parameters())

    def image(pixels: Tensor) -> Tensor:
        hidden: Tensor = model(pixel_values=pixels).last_hidden_state
        if hidden.ndim == 4:
            return hidden.mean(dim=(2, 3))
        return hidden[:, 0] if has_class_token else hidden.mean(dim=1)

    return Towers(image, None, from_hugging_face(folder))


def _load_model(folder: Path, device: torch.device) -> Any:
    """The complete model. Code in the folder is never run, and nothing is unpickled."""
    transformers = load_library("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, facts = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, weights_only=True, output_loading_info=True
        )
    except LOAD_ERRORS as error:
        raise EncoderError(f"the model cannot be loaded ({first_line(error)})", where=folder) from error
    lost = sorted(key for key in facts["missing_keys"] if not any(part in key for part in _UNUSED))
    if lost:
        raise EncoderError(
            f"{len(lost)} parameters are missing from the weights, such as {lost[0]}",
            where=folder,
            expected="the weights of the model in config.json",
        )
    return model.eval().requires_grad_(False).to(device)


def _load_tokenizer(folder: Path) -> Any:
    """The tokenizer. Without its files, the library would make an empty one that reads all phrases as the same."""
    if not any((folder / name).is_file() for name in _WORD_FILES):
        raise EncoderError(
            "the tokenizer is missing",
            where=folder,
            expected=f"one of {', '.join(_WORD_FILES)}",
            action="Download the whole model, not only its weights.",
        )
    try:
        return load_library("transformers").AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except LOAD_ERRORS as error:
        raise EncoderError(f"the tokenizer cannot be read ({first_line(error)})", where=folder) from error


def _vectors(output: Any) -> Tensor:
    """Newer versions of the library wrap the vectors."""
    return output if isinstance(output, Tensor) else output.pooler_output
