"""The tile encoders that espark knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder that turns tiles (and perhaps words) into vectors.

    Attributes:
        name: name in ``study.toml``.
        dim: length of a feature vector; None when the weights say.
        text: whether it understands prompts; without, there is no cell-type selection.
        cutoffs: where the cut-offs of the cell-type selection come from.
        license: under which terms its weights may be used.
        source: where its weights come from.
        description: one line for ``espark doctor`` and the docs.
        packages: what must be importable.
        install: command that installs them; empty when nothing is needed.
        hub: the model's name on the Hugging Face hub, where ``encoder_path`` may be left empty.
        example: a model of this kind on the hub, for the instructions.
    """

    name: str
    dim: int | None
    text: bool
    cutoffs: Literal["published", "fitted"]
    license: str
    source: str
    description: str
    packages: tuple[str, ...] = ()
    install: str = ""
    hub: str = ""
    example: str = ""


_FOLDER = "a folder of yours ([slides] encoder_path)"

ENCODERS: dict[str, EncoderEntry] = {
    entry.name: entry
    for entry in (
        EncoderEntry(
            name="espark-mini",
            dim=256,
            text=True,
            cutoffs="fitted",
            license="MIT",
            source="embedded in the package",
            description="small vision-language encoder, fitted on simulated tiles with captions",
        ),
        EncoderEntry(
            name="conch",
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
            dim=None,
            text=True,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any CLIP-style model in Hugging Face format, such as PLIP",
            packages=("transformers",),
            install="pip install 'espark[hf]'",
            example="vinid/plip",
        ),
        EncoderEntry(
            name="open-clip",
            dim=None,
            text=True,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any open_clip model with its open_clip_config.json",
            packages=("open_clip", "torchvision"),
            install="pip install 'espark[open-clip]'",
            example="wisdomik/QuiltNet-B-32",
        ),
        EncoderEntry(
            name="hf-vision",
            dim=None,
            text=False,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any vision model in Hugging Face format (ViT, DINOv2)",
            packages=("transformers",),
            install="pip install 'espark[hf]'",
            example="owkin/phikon",
        ),
        EncoderEntry(
            name="timm",
            dim=None,
            text=False,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any timm model with its config.json",
            packages=("timm", "torchvision"),
            install="pip install 'espark[timm]'",
            example="MahmoodLab/UNI",
        ),
    )
}
