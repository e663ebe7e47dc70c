"""Encoders that others have published: where they are, on which terms, and what they can do in espark.

The facts are those of the models' own pages on the Hugging Face hub, unless ``unverified`` names them. Terms change:
read the page of a model before you use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from espark.errors import EncoderError, nearest

Cells = Literal["words", "probe"]
"""How an encoder gives cell types: by its text side, or by a probe that is taught (`espark encoder teach`)."""


@dataclass(frozen=True)
class PublishedEncoder:
    """A published tile encoder.

    Attributes:
        name: what `espark encoder fetch` calls it.
        title: its own name.
        hub: its name on the Hugging Face hub.
        entry: espark's encoder that loads it; empty when only a plug-in can.
        license: license of the weights.
        gated: whether its authors give access on request.
        network: architecture and size.
        dim: length of a tile vector in espark; None when it is not known.
        cells: how it gives cell types.
        remark: what else a user must know.
        unverified: facts that were not found on the model's page.
    """

    name: str
    title: str
    hub: str
    entry: str
    license: str
    gated: bool
    network: str
    dim: int | None
    cells: Cells
    remark: str = ""
    unverified: tuple[str, ...] = ()


_PLUGIN = "espark never runs code that comes with weights, so it needs a plug-in (docs/plugins.md)."
_ND = "CC BY-NC-ND 4.0"
_SWIGLU = "Its layers are not in its config.json alone. If timm cannot load the folder, write a plug-in."

PUBLISHED: dict[str, PublishedEncoder] = {
    entry.name: entry
    for entry in (
        PublishedEncoder(
            "conch", "CONCH", "MahmoodLab/conch", "conch", _ND, True, "ViT-B/16 with a text side", 512, "words",
            "The encoder of the published study, with its cut-offs.",
        ),
        PublishedEncoder(
            "plip", "PLIP", "vinid/plip", "clip", "none is given on its page", False,
            "CLIP ViT-B/32, 605 MB, with a text side", 512, "words",
            "Ask its authors before you use it for more than research.", ("license", "vector length"),
        ),
        PublishedEncoder(
            "quiltnet", "QuiltNet-B-32", "wisdomik/QuiltNet-B-32", "open-clip", "MIT", False,
            "CLIP ViT-B/32 with a text side", 512, "words",
        ),
        PublishedEncoder(
            "keep", "KEEP", "Astaxanthin/KEEP", "", "MIT", False, "ViT-L/16 with a BERT text side", None, "words",
            _PLUGIN,
        ),
        PublishedEncoder(
            "musk", "MUSK", "xiangjx/musk", "", _ND, True, "vision-language transformer", None, "words", _PLUGIN,
            ("size",),
        ),
        PublishedEncoder(
            "uni2", "UNI2-h", "MahmoodLab/UNI2-h", "timm", _ND, True, "ViT-H/14, 0.7 billion parameters", 1536, "probe",
            _SWIGLU, ("size", "vector length"),
        ),
        PublishedEncoder(
            "virchow2", "Virchow2", "paige-ai/Virchow2", "timm", _ND, True, "ViT-H/14", None, "probe", _SWIGLU,
            ("size", "vector length"),
        ),
        PublishedEncoder(
            "h-optimus-0", "H-optimus-0", "bioptimus/H-optimus-0", "timm", "Apache 2.0", False,
            "ViT-g/14, 1.1 billion parameters", 1536, "probe", _SWIGLU, ("license", "access", "vector length"),
        ),
        PublishedEncoder(
            "h-optimus-1", "H-optimus-1", "bioptimus/H-optimus-1", "timm", "for academic research", True,
            "1.1 billion parameters", None, "probe", _SWIGLU, ("license", "vector length"),
        ),
        PublishedEncoder(
            "phikon", "Phikon", "owkin/phikon", "hf-vision", "Owkin, not commercial", False, "ViT-B", 768, "probe", "",
            ("license", "size", "access"),
        ),
        PublishedEncoder(
            "phikon-v2", "Phikon-v2", "owkin/phikon-v2", "hf-vision", "Owkin, not commercial", False,
            "ViT-L/16, 1.2 GB", 1024, "probe", "", ("vector length",),
        ),
        PublishedEncoder(
            "openmidnight", "OpenMidnight", "SophontAI/OpenMidnight", "", "Apache 2.0", True,
            "1.1 billion parameters", None, "probe", _PLUGIN, ("format of its files",),
        ),
    )
}  # fmt: skip


def find_published(name: str) -> PublishedEncoder:
    """The encoder of this name.

    Raises:
        EncoderError: when there is none.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    guess = nearest(name, PUBLISHED)
    raise EncoderError(
        f"espark knows no published encoder '{name}'",
        expected=", ".join(PUBLISHED),
        action=f"Did you mean {guess}?"
        if guess
        else "Any other model works too, if its format does: see docs/encoders.md.",
    )


def terms(entry: PublishedEncoder) -> str:
    """License, size and what espark does with it, in lines of text."""
    cells = {
        "words": "it understands words: tiles are selected by cell type",
        "probe": "it understands no words: teach a probe with `espark encoder teach STUDY`",
    }[entry.cells]
    lines = [
        f"{entry.title} ({entry.network})",
        f"  license      {entry.license}",
        f"  access       {'on request' if entry.gated else 'open'}, https://huggingface.co/{entry.hub}",
        f"  cell types   {cells}",
    ]
    if entry.unverified:
        lines.append(f"  not verified {', '.join(entry.unverified)}: read the page of the model")
    return "\n".join([*lines, f"  {entry.remark}"] if entry.remark else lines)


def fetch_steps(entry: PublishedEncoder, folder: str) -> str:
    """The steps by hand, in lines of text.

    Args:
        entry: the encoder.
        folder: where its files go, as it is typed.
    """
    ask = [f"Ask for access on https://huggingface.co/{entry.hub} and wait for the answer."] if entry.gated else []
    login = ["hf auth login"] if entry.gated else []
    steps = [
        *ask, "pip install huggingface_hub", *login, f"hf download {entry.hub} --local-dir {folder}",
        "Without internet on this machine: type this on another machine, and copy the folder.",
        use_steps(entry, folder),
    ]  # fmt: skip
    return "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, start=1))


def use_steps(entry: PublishedEncoder, folder: str) -> str:
    """What to write in study.toml once the files are there."""
    if not entry.entry:
        return f"Write a plug-in that loads {folder} (docs/plugins.md)."
    return (
        f'Write in study.toml under [slides]: encoder = "{entry.entry}", encoder_path = "{folder}", '
        f'encoder_name = "{entry.name}"'
    )
