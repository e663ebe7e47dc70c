"""Encoders that a user brings along: saved tiny, loaded back, and compared with the library itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from encoder_folders import save_clip, save_clip_tokenizer, save_vision
from espark.errors import EncoderError
from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.encoders.catalogue import ENCODERS
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import load_encoder
from espark.pathology.encoders.pixels import (
    CLIP_MEAN,
    CLIP_SD,
    Preprocessing,
    from_hugging_face,
    from_open_clip,
    from_timm,
)
from espark.pathology.encoders.weights import find_folder, steps


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (35, 16, 16, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(tile).resize((256, 256))) for tile in small])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("plip")
    return folder, save_clip(folder)


def unit(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()


def prepared(tiles: np.ndarray, side: int, crop: int, resample: int) -> torch.Tensor:
    """What the CLIP image processor does, written out."""
    edge = (side - crop) // 2
    sized = [np.asarray(Image.fromarray(tile).resize((side, side), resample)) for tile in tiles]
    cut = np.stack(sized)[:, edge : edge + crop, edge : edge + crop].astype(np.float64) / 255
    return torch.tensor((cut - [0.48, 0.46, 0.41]) / [0.27, 0.26, 0.28]).permute(0, 3, 1, 2).float()


def test_clip_gives_the_vectors_of_the_library(clip: tuple[Path, Any], tiles: np.ndarray) -> None:
    folder, model = clip
    encoder = load_encoder("clip", weights=folder, label="plip", device="cpu")
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.entry, encoder.dim, encoder.has_text) == ("plip", "clip", 12, True)
    found = encoder.encode_tiles(tiles)
    with torch.inference_mode():
        hidden = model.vision_model(pixel_values=prepared(tiles, 40, 32, 3)).pooler_output
        wanted = unit(model.visual_projection(hidden))
    assert found.dtype == np.float32
    assert found == pytest.approx(wanted, abs=1e-5)
    assert np.array_equal(found[7:8], encoder.encode_tiles(tiles[7:8]))
    assert encoder.encode_tiles(tiles[:0]).shape == (0, 12)


def test_clip_reads_words_as_the_library_does(clip: tuple[Path, Any]) -> None:
    from transformers import AutoTokenizer

    folder, model = clip
    encoder = load_encoder("clip", weights=folder, device="cpu")
    phrases = ["lymphocyte", "tumor cell", "stroma", "lymphocyte"]
    found = encoder.encode_text(phrases)
    tokens = AutoTokenizer.from_pretrained(folder, local_files_only=True)(phrases, padding=True, return_tensors="pt")
    assert tokens["input_ids"][0, 0] == model.config.text_config.bos_token_id
    with torch.inference_mode():
        wanted = unit(model.text_projection(model.text_model(**tokens).pooler_output))
    assert found == pytest.approx(wanted, abs=1e-5)
    assert np.array_equal(found[0], found[3])
    assert not np.allclose(found[0], found[1], atol=1e-3)
    assert encoder.encode_text([]).shape == (0, 12)
    assert cell_type_similarity(found, text_embeddings(encoder)).shape == (4, 10)
    assert encoder.expected_counts(found) is None


def test_old_weights_are_read_without_unpickling_objects(
    tmp_path: Path, clip: tuple[Path, Any], tiles: np.ndarray
) -> None:
    save_clip(tmp_path, safe=False)
    new, old = load_encoder("clip", weights=clip[0]), load_encoder("clip", weights=tmp_path)
    assert np.array_equal(old.encode_tiles(tiles[:2]), new.encode_tiles(tiles[:2]))
    mark = tmp_path / "ran"

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (mark,)

    torch.save({"logit_scale": Harmful()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder("clip", weights=tmp_path)
    assert not mark.exists()


def test_weights_have_an_identity(tmp_path: Path, clip: tuple[Path, Any]) -> None:
    folder, _ = clip
    first = load_encoder("clip", weights=folder).weights_hash
    assert len(first) == 64 and first == load_encoder("clip", weights=folder, label="other").weights_hash
    save_clip(tmp_path)
    (tmp_path / "README.md").write_text("changes nothing")
    assert load_encoder("clip", weights=tmp_path).weights_hash == first
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"image_mean": [0.5, 0.5, 0.5]}))
    assert load_encoder("clip", weights=tmp_path).weights_hash != first


@pytest.mark.parametrize("kind", ["vit", "dinov2", "resnet", "swin"])
def test_vision_models_work_without_words(tmp_path: Path, tiles: np.ndarray, kind: str) -> None:
    pytest.importorskip("transformers")
    model = save_vision(tmp_path, kind)
    encoder = load_encoder("hf-vision", weights=tmp_path, device="cpu")
    with torch.inference_mode():
        hidden = model(pixel_values=prepared(tiles[:3], 32, 32, 2)).last_hidden_state
    places = {"vit": lambda h: h[:, 0], "dinov2": lambda h: h[:, 0], "swin": lambda h: h.mean(1)}
    wanted = unit(places.get(kind, lambda h: h.mean((2, 3)))(hidden))
    assert not encoder.has_text
    assert encoder.encode_tiles(tiles[:3]) == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(EncoderError, match="no text side"):
        encoder.encode_text(["tumor"])
    if kind == "vit":
        with pytest.raises(EncoderError, match="hf-vision"):
            load_encoder("clip", weights=tmp_path)


def test_missing_parameters_are_not_replaced_by_random_ones(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from safetensors.torch import load_file, save_file

    save_vision(tmp_path, "dinov2")
    tensors = load_file(tmp_path / "model.safetensors")
    tensors.pop(next(key for key in tensors if "attention" in key))
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match="1 parameters are missing from the weights"):
        load_encoder("hf-vision", weights=tmp_path)


def test_missing_files_say_what_to_do(tmp_path: Path, clip: tuple[Path, Any]) -> None:
    with pytest.raises(EncoderError, match=r"hf download vinid/plip --local-dir models/plip.*encoder_path"):
        load_encoder("clip")
    with pytest.raises(EncoderError, match="holds no weights"):
        load_encoder("clip", weights=tmp_path)
    with pytest.raises(EncoderError, match=r"missing.*hf download"):
        load_encoder("clip", weights="no/such-model")
    folder = tmp_path / "half"
    folder.mkdir()
    for path in clip[0].iterdir():
        if path.name != "preprocessor_config.json":
            (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(EncoderError, match="how its pictures are prepared"):
        load_encoder("clip", weights=folder)


def test_conch_tells_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"ask for access.*MahmoodLab/conch") as caught:
        load_encoder("conch", weights=tmp_path)
    assert "mahmoodlab/CONCH" in str(caught.value) and "models/conch" in str(caught.value)


def test_relative_folders_belong_to_the_study(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    assert find_folder(ENCODERS["clip"], "models", tmp_path) == tmp_path / "models"


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "espark-mini"])
def test_every_entry_has_its_steps(name: str) -> None:
    text = steps(ENCODERS[name])
    assert ENCODERS[name].install in text and ENCODERS[name].example in text


def test_preprocessing_files_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(
        json.dumps({"size": 224, "crop_size": 200, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.25] * 3})
    )
    assert from_hugging_face(tmp_path) == Preprocessing(224, 200, (0.5,) * 3, (0.25,) * 3, "bilinear")
    path.write_text(json.dumps({"size": {"height": 10, "width": 20}, "image_mean": [0] * 3, "image_std": [1] * 3}))
    with pytest.raises(EncoderError, match="square"):
        from_hugging_face(tmp_path)
    uni = {"input_size": [3, 224, 224], "crop_pct": 0.875, "mean": [0.485, 0.456, 0.406], "std": [0.2, 0.2, 0.2]}
    assert from_timm(uni | {"interpolation": "bilinear"}, path).side == 256
    odd = from_timm(uni | {"crop_pct": 0.95}, path)
    assert (odd.side, odd.crop, odd.edge) == (235, 224, 6)
    rows = np.broadcast_to(np.arange(235, dtype=np.uint8)[:, None, None], (235, 235, 3))
    seen = odd(rows[None])[0, 0, :, 0] * 0.2 + 0.485
    assert (seen * 255).round().int().tolist() == list(range(6, 230))
    with pytest.raises(EncoderError, match="interpolation"):
        from_timm(uni | {"interpolation": "random"}, path)
    plain = from_open_clip({"model_cfg": {"vision_cfg": {"image_size": 448}}}, path)
    assert plain == Preprocessing(448, 448, CLIP_MEAN, CLIP_SD)


def needs(package: str) -> Any:
    """A package that imports torchvision is only there where a fitting torchvision is."""
    return pytest.importorskip(package, reason=f"{package} needs a torchvision that fits torch", exc_type=ImportError)


def test_timm(tmp_path: Path, tiles: np.ndarray) -> None:
    timm = needs("timm")
    settings = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, **settings).eval()
    timm.models.save_for_hf(model, tmp_path, model_config={"model_args": settings}, safe_serialization=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config["pretrained_cfg"] |= {"input_size": [3, 32, 32], "mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    config["pretrained_cfg"] |= {"crop_pct": 0.8, "interpolation": "bicubic"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = load_encoder("timm", weights=tmp_path, device="cpu")
    with torch.inference_mode():
        wanted = unit(model(prepared(tiles[:3], 40, 32, 3)))
    assert encoder.encode_tiles(tiles[:3]) == pytest.approx(wanted, abs=1e-5)


def test_open_clip(tmp_path: Path, tiles: np.ndarray) -> None:
    open_clip = needs("open_clip")
    from safetensors.torch import save_model

    vision = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    shape = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(2)
    model = open_clip.CLIP(**shape).eval()
    save_model(model, str(tmp_path / "open_clip_model.safetensors"))
    look = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape, "preprocess_cfg": look}))
    encoder = load_encoder("open-clip", weights=tmp_path, device="cpu")
    with torch.inference_mode():
        pictures = unit(model.encode_image(prepared(tiles[:3], 32, 32, 3)))
        words = unit(model.encode_text(open_clip.tokenize(["tumor cell", "stroma"])))
    assert encoder.encode_tiles(tiles[:3]) == pytest.approx(pictures, abs=1e-5)
    assert encoder.encode_text(["tumor cell", "stroma"]) == pytest.approx(words, abs=1e-5)


def test_conch(tmp_path: Path, tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONCH's package is not to be had from an index; a stand-in of its interface shows what is handed to it."""
    pytest.importorskip("transformers")
    monkeypatch.setattr("espark.pathology.encoders.towers.need_packages", lambda entry: None)
    library = stand_in_for_conch(tmp_path)
    monkeypatch.setattr("espark.pathology.encoders.conch.load_library", lambda package: library)
    torch.save({"weight": torch.eye(4)[:, :3] + 1}, tmp_path / "pytorch_model.bin")
    encoder = load_encoder("conch", weights=tmp_path, device="cpu")
    assert (encoder.name, encoder.has_text, ENCODERS["conch"].cutoffs) == ("conch", True, "published")
    sized = [np.asarray(Image.fromarray(tile).resize((448, 448), Image.Resampling.BICUBIC)) for tile in tiles[:2]]
    mean = ((np.stack(sized) / 255).mean(axis=(1, 2)) - CLIP_MEAN) / CLIP_SD
    wanted = unit(torch.tensor(mean) @ (torch.eye(4)[:, :3] + 1).double().T)
    assert encoder.encode_tiles(tiles[:2]) == pytest.approx(wanted, abs=1e-5)
    vectors = encoder.encode_text(["tumor", "stroma"])
    assert vectors.shape == (2, 4) and np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-6)


def stand_in_for_conch(folder: Path) -> Any:
    from types import SimpleNamespace

    from transformers import AutoTokenizer

    save_clip_tokenizer(folder)

    class Model(torch.nn.Module):
        visual = SimpleNamespace(image_size=(448, 448))

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(4, 3))

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            assert pixels.shape[1:] == (3, 448, 448)
            return pixels.mean(dim=(2, 3)) @ self.weight.T

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            assert tokens.shape[1] == 128
            return tokens[:, :4].float() + 1

    def create_model_from_pretrained(name: str, path: str, *, device: torch.device, return_transform: bool) -> Model:
        assert (name, return_transform) == ("conch_ViT-B-16", False)
        model = Model()
        model.load_state_dict(torch.load(path, map_location=device))
        return model

    return SimpleNamespace(
        create_model_from_pretrained=create_model_from_pretrained,
        get_tokenizer=lambda: AutoTokenizer.from_pretrained(folder, local_files_only=True),
    )


def test_tokenizer_that_is_missing_is_named(tmp_path: Path, clip: tuple[Path, Any]) -> None:
    for path in clip[0].iterdir():
        if not path.name.startswith(("vocab", "merges", "tokenizer", "special")):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(EncoderError, match="tokenizer"):
        load_encoder("clip", weights=tmp_path)
    save_clip_tokenizer(tmp_path)
    assert load_encoder("clip", weights=tmp_path).has_text
