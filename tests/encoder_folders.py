"""Tiny models with random weights, saved in the formats that users bring."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch

WORDS = ("cell", "lymphocyte", "tumor", "stroma")


def save_clip(folder: Path, *, safe: bool = True) -> Any:
    """A CLIP model with its tokenizer, as `save_pretrained` writes them. Returns the model."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    vocabulary = save_clip_tokenizer(folder)
    config = CLIPConfig(
        text_config={
            "vocab_size": len(vocabulary), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 20, "projection_dim": 12,
            "bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"],
            "pad_token_id": vocabulary["<|endoftext|>"],
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 32, "patch_size": 8, "projection_dim": 12,
        },
        projection_dim=12,
    )  # fmt: skip
    model = CLIPModel(config).eval()
    _save(model, folder, safe)
    _preprocessor(
        folder, size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}, do_center_crop=True, resample=3
    )
    return model


def save_clip_tokenizer(folder: Path) -> dict[str, int]:
    """``vocab.json`` and ``merges.txt`` of byte pairs that spell a few words whole. Returns the vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [*string.ascii_lowercase, *string.digits, *"&-.,"]
    merges: list[str] = []
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merge = f"{pieces[0]} {pieces[1]}"
            merges += [merge] if merge not in merges else []
            tokens.append(pieces[0] + pieces[1])
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    content = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 20, "pad_token": "<|endoftext|>", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(content))
    return vocabulary


def save_vision(folder: Path, kind: str) -> Any:
    """A vision model of transformers: ``vit``, ``dinov2``, ``resnet`` or ``swin``. Returns the model."""
    import transformers

    torch.manual_seed(1)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    model = {
        "vit": lambda: transformers.ViTModel(
            transformers.ViTConfig(**small, intermediate_size=32), add_pooling_layer=False
        ),
        "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**small, mlp_ratio=2)),
        "resnet": lambda: transformers.ResNetModel(
            transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
        ),
        "swin": lambda: transformers.SwinModel(
            transformers.SwinConfig(
                image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
            )
        ),
    }[kind]().eval()
    _save(model, folder, True)
    _preprocessor(folder, size={"height": 32, "width": 32}, do_center_crop=False, resample=2)
    return model


def _save(model: Any, folder: Path, safe: bool) -> None:
    model.save_pretrained(folder)
    if not safe:  # as older models are: the same weights, pickled
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()


def _preprocessor(folder: Path, **content: Any) -> None:
    basics = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
    colors = {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}
    (folder / "preprocessor_config.json").write_text(json.dumps(basics | colors | content))
