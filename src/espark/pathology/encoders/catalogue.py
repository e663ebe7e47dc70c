"""The tile encoders: name, text and code of each. A package may add its own (``docs/plugins.md``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from espark.catalogue import Catalogue
from espark.errors import EncoderError
from espark.types import Precision

if TYPE_CHECKING:
    from espark.pathology.encoders.encoder import Encoder


@dataclass(frozen=True)
class EncoderRequest:
    """The request to load an encoder.

    Attributes:
        entry: the encoder's entry in the catalogue.
        weights: folder with its files, or the name of a model of the Hugging Face hub; None when not given.
        root: folder for a relative path in ``weights``.
        label: name of the encoder in files and reports; its name in the catalogue when empty.
        device: ``auto`` (GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        precision: number format of the computation; ``auto``: the faster format that agrees with float32.
    """

    entry: EncoderEntry
    weights: str | Path | None = None
    root: Path | None = None
    label: str = ""
    device: str = "auto"
    precision: Precision | Literal["auto"] = "auto"


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder that turns tiles (and, with a text side, words) into vectors.

    Attributes:
        name: name in ``study.toml``.
        build: loads it. It imports its libraries itself, so that reading ``study.toml`` stays fast.
        dim: length of a feature vector; None when the weights give it.
        text: whether it understands prompts. Without a text side, there is no cell-type selection.
        cutoffs: source of the cut-offs of the cell-type selection.
        license: license of its weights.
        source: where its weights come from.
        description: one line for ``espark doctor`` and the docs.
        packages: Python packages that it needs.
        install: command that installs them; empty when it needs none.
        hub: the model's name on the Hugging Face hub, if ``encoder_path`` may be empty.
        example: a model of this kind on the hub, for the instructions.
        precisions: number formats in which it can compute; its vectors are always float32.
    """

    name: str
    build: Callable[[EncoderRequest], Encoder]
    dim: int | None
    text: bool
    cutoffs: Literal["published", "fitted"] = "fitted"
    license: str = ""
    source: str = ""
    description: str = ""
    packages: tuple[str, ...] = ()
    install: str = ""
    hub: str = ""
    example: str = ""
    precisions: tuple[Precision, ...] = ("float32",)


def _mini(request: EncoderRequest) -> Encoder:
    from espark.models.devices import choose_device
    from espark.pathology.encoders.mini import SHIPPED, MiniEncoder
    from espark.pathology.encoders.weights import find_folder

    folder = find_folder(request.entry, request.weights, request.root) if request.weights else SHIPPED
    return MiniEncoder.from_folder(folder, device=choose_device(request.device), precision=request.precision)


def _conch(request: EncoderRequest) -> Encoder:
    from espark.pathology.encoders.conch import conch_towers
    from espark.pathology.encoders.towers import load_towers

    return load_towers(request, conch_towers)


def _clip(request: EncoderRequest) -> Encoder:
    from espark.pathology.encoders.hugging_face import clip_towers
    from espark.pathology.encoders.towers import load_towers

    return load_towers(request, clip_towers)


def _open_clip(request: EncoderRequest) -> Encoder:
    from espark.pathology.encoders.open_clip import open_clip_towers
    from espark.pathology.encoders.towers import load_towers

    return load_towers(request, open_clip_towers)


def _hugging_face_vision(request: EncoderRequest) -> Encoder:
    from espark.pathology.encoders.hugging_face import vision_towers
    from espark.pathology.encoders.towers import load_towers

    return load_towers(request, vision_towers)


def _timm(request: EncoderRequest) -> Encoder:
    from espark.pathology.encoders.timm_vision import timm_towers
    from espark.pathology.encoders.towers import load_towers

    return load_towers(request, timm_towers)


_FOLDER = "your own folder ([slides] encoder_path)"

ENCODERS = Catalogue(
    "encoder",
    "espark.encoders",
    (
        EncoderEntry(
            name="espark-mini",
            build=_mini,
            dim=256,
            text=True,
            cutoffs="fitted",
            license="MIT",
            source="embedded in the package",
            description="small vision-language encoder, fitted on simulated tiles with captions",
            precisions=("float32", "bfloat16"),
        ),
        EncoderEntry(
            name="conch",
            build=_conch,
            dim=512,
            text=True,
            cutoffs="published",
            license="CC BY-NC-ND 4.0, on request",
            source="Hugging Face hub, MahmoodLab/conch",
            description="CONCH ViT-B/16, the encoder of the published study",
            packages=("conch", "timm", "transformers"),
            install="pip install 'espark[conch]' 'conch @ git+https://github.com/mahmoodlab/CONCH'",
            hub="MahmoodLab/conch",
            example="MahmoodLab/conch",
        ),
        EncoderEntry(
            name="clip",
            build=_clip,
            dim=None,
            text=True,
            cutoffs="fitted",
            license="license of the model",
            source=_FOLDER,
            description="any CLIP-style model in Hugging Face format, such as PLIP",
            packages=("transformers",),
            install="pip install 'espark[hf]'",
            example="vinid/plip",
        ),
        EncoderEntry(
            name="open-clip",
            build=_open_clip,
            dim=None,
            text=True,
            cutoffs="fitted",
            license="license of the model",
            source=_FOLDER,
            description="any open_clip model with its open_clip_config.json",
            packages=("open_clip", "torchvision"),
            install="pip install 'espark[open-clip]'",
            example="wisdomik/QuiltNet-B-32",
        ),
        EncoderEntry(
            name="hf-vision",
            build=_hugging_face_vision,
            dim=None,
            text=False,
            cutoffs="fitted",
            license="license of the model",
            source=_FOLDER,
            description="any vision model in Hugging Face format (ViT, DINOv2)",
            packages=("transformers",),
            install="pip install 'espark[hf]'",
            example="owkin/phikon",
        ),
        EncoderEntry(
            name="timm",
            build=_timm,
            dim=None,
            text=False,
            cutoffs="fitted",
            license="license of the model",
            source=_FOLDER,
            description="any timm model with its config.json",
            packages=("timm", "torchvision"),
            install="pip install 'espark[timm]'",
            example="MahmoodLab/UNI",
        ),
    ),
    error=EncoderError,
)
