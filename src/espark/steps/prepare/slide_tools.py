"""What turns slides into features: the encoder and the stain normalization of a study, or those of a bundle."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espark.bundle.card import EncoderCard
from espark.errors import EncoderError
from espark.models.devices import choose_device
from espark.pathology.cells.cell_probe import CellProbe
from espark.pathology.cytology import Cytology
from espark.pathology.encoders.catalogue import ENCODERS
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import EMBEDDED, load_encoder
from espark.pathology.features import SlideFeatures, encode_slide
from espark.pathology.slide import Slide
from espark.pathology.stain.normalizer import (
    StainNormalizer,
    profile_from_json,
    profile_to_json,
    stain_normalizer,
)
from espark.workspace.config import SlideSettings


@dataclass(frozen=True)
class SlideTools:
    """All that is needed to encode a slide.

    Attributes:
        encoder: turns tiles into vectors.
        stain: stain normalization; None for none.
        min_tissue: a tile is kept when more than this share of it is tissue.
        cytology: cell types and prompts.
        probe: read-out of cells for an encoder without a text side; None for none.
    """

    encoder: Encoder
    stain: StainNormalizer | None
    min_tissue: float
    cytology: Cytology
    probe: CellProbe | None = None

    def encode(self, slide: Slide, name: str) -> SlideFeatures:
        """Features of a slide.

        Args:
            slide: an open slide.
            name: its name in the study or among the slides of a new patient.

        Raises:
            SlideError: when the slide cannot be used.
        """
        return encode_slide(
            slide, self.encoder, name=name, min_tissue=self.min_tissue, stain=self.stain, cytology=self.cytology,
            probe=self.probe,
        )  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """Everything a slide's features depend on, the slide aside."""
        return ENCODERS.origin(self.encoder.entry) | {
            "encoder": [self.encoder.name, self.encoder.entry, self.encoder.weights_hash, self.encoder.precision],
            "min_tissue": self.min_tissue,
            "prompts": self.cytology.prompts if self.encoder.has_text else [],
            "stain": [self.stain.name, profile_to_json(self.stain.target)] if self.stain else "none",
            **({"probe": [self.probe.identity, self.cytology.keys]} if self.probe else {}),
        }


@functools.cache
def study_tools(root: Path, settings: SlideSettings, cytology: Cytology) -> SlideTools:
    """The tools that study.toml and cytology.toml ask for, loaded once in a process.

    Args:
        root: the study folder, to which relative paths belong.
        settings: the section ``[slides]``.
        cytology: cell types and prompts.

    Raises:
        EncoderError: when the encoder cannot be loaded.
        SlideError: when the stain target cannot be used.
    """
    encoder = load_encoder(
        settings.encoder,
        weights=settings.encoder_path or None,
        root=root,
        label=settings.encoder_name,
        precision=settings.precision,
    )
    probe = study_probe(root, settings)
    if probe is not None:
        _check_probe(probe, encoder)
    return SlideTools(encoder, study_stain(root, settings), settings.min_tissue, cytology, probe)


def study_probe(root: Path, settings: SlideSettings) -> CellProbe | None:
    """The cell probe that study.toml names; None for none.

    Raises:
        InputError: when the file is missing or is not a probe.
    """
    return CellProbe.load(root / settings.cell_probe) if settings.cell_probe else None


def _check_probe(probe: CellProbe, encoder: Encoder) -> None:
    if encoder.has_text:
        raise EncoderError(
            f"{encoder.name} understands words, so a cell probe has nothing to add",
            where="study.toml, [slides] cell_probe",
            action="Leave cell_probe empty.",
        )
    probe.check_encoder(encoder.name, encoder.weights_hash)


@functools.cache
def study_stain(root: Path, settings: SlideSettings) -> StainNormalizer | None:
    """The stain normalization that study.toml asks for, made once in a process; None for none.

    Raises:
        SlideError: when the stain target cannot be used.
    """
    target = root / settings.stain_target if settings.stain_target else None
    return stain_normalizer(settings.stain, target=target, device=choose_device("auto"))


def bundle_tools(
    card: EncoderCard, cytology: Cytology, encoder_path: Path | None = None, probe: CellProbe | None = None
) -> SlideTools:
    """The tools with which a bundle's model was trained.

    Args:
        card: how its tile features must be made.
        cytology: its cell types and prompts.
        encoder_path: folder of the encoder, where it is not embedded.
        probe: the bundle's cell probe; None when it has none.

    Raises:
        EncoderError: when features were made elsewhere, or the encoder cannot be loaded or has other weights.
    """
    entry = card.entry or card.name
    if not card.entry and card.name != EMBEDDED:
        raise EncoderError(
            f"the model was trained on tile features of {card.name} that were made elsewhere",
            action="Add the patient to the study's feature folder as external, and run the study again.",
        )
    precision = card.precision if entry == EMBEDDED else "auto"
    encoder = load_encoder(entry, weights=encoder_path, label=card.name, precision=precision)
    if card.weights and card.weights != encoder.weights_hash:
        raise EncoderError(
            f"these are other weights of {card.name} than those the model was trained with",
            where=encoder_path,
            expected=f"weights {card.weights[:12]}, not {encoder.weights_hash[:12]}",
            action="Give the folder that the study was prepared with, or train the model again.",
        )
    target = profile_from_json(card.stain_target) if card.stain_target else None
    stain = stain_normalizer(card.stain, target=target, device=choose_device("auto"))
    return SlideTools(encoder, stain, card.min_tissue, cytology, probe)
