"""The methods of a study in words, for its report."""

from __future__ import annotations

from collections.abc import Iterator

from espark.bundle.card import BundleCard, EncoderCard, RadiomicsCard, TrainingCard
from espark.outcome import Outcome
from espark.training.settings_in_words import TrainingInWords
from espark.wording import percent

_WITHHELD = (
    "A conformal set that holds both outcomes, or neither, is reported as “not sure”. The answer for a patient beyond "
    "the limit is withheld on the patient's page, but it still counts in the results."
)

_MISSING = (
    "A patient without a CT or without a slide is used with the other images. A missing region enters as the training "
    "mean, with a flag that marks it as missing. No outcome is imputed: a patient without a known outcome does not "
    "count in any result."
)

_STATISTICS = (
    "AUC with DeLong's 95 % interval on the logit scale (Newcombe's score interval where the variance is "
    "zero); models are compared on the same patients by DeLong's test for paired curves, two-sided, with p adjusted by "
    "Holm's method over the pairs in a cohort. Shares have Wilson's interval, the Brier score and average precision "
    "an interval by bootstrap; changed decisions are tested by McNemar's exact test; net benefit follows decision "
    "curve analysis. Radiomic features and cell types are tested separately, with p adjusted by Benjamini and "
    "Hochberg's method."
)


def methods(card: BundleCard) -> tuple[str, ...]:
    """The methods of a study, paragraph by paragraph, with the settings that its model was trained with."""
    cell_types = len(card.encoder.cell_types) if card.encoder else 0
    words = TrainingInWords(card.model, card.model_settings, card.protocol, card.seed, cell_types)
    paragraphs = {
        "CT": (*_features(card.radiomics), *words.ct()),
        "Slides": (*_tiles(card.encoder), *words.slides()),
        "Fusion": words.fusion(),
        "Clinical columns": words.clinical(),
        "Protocol": (*_patients(card.training, card.outcome), *words.folds(), *words.epochs(), *words.precision()),
        "Calibration and threshold": (*words.calibration(), *words.development_figures()),
        "Uncertainty": (*words.conformal(), *words.applicability(), _WITHHELD),
        "Missing data": (_MISSING,),
        "Statistics": (_STATISTICS,),
    }
    texts = {title: " ".join(sentences) for title, sentences in paragraphs.items()}
    return tuple(f"{title}. {text}" for title, text in texts.items() if text)


def _features(card: RadiomicsCard | None) -> Iterator[str]:
    """How the radiomic features were made."""
    if card is None:
        return
    spacing = card.spacing_mm
    grid = "the CT's own grid" if spacing is None else f"{' × '.join(f'{edge:g}' for edge in spacing)} mm voxels"
    origin = "Radiomic features made elsewhere"
    if card.source == "espark":
        origin = (
            f"PyRadiomics features on {grid}, bin width {card.bin_width_hu:g} HU, image types "
            f"{', '.join(card.image_types)}"
        )
    counts = [f"{len(names)} ({scale})" for scale, names in zip(card.scales, card.feature_names, strict=True)]
    yield f"{origin}: {' + '.join(counts)}."


def _tiles(card: EncoderCard | None) -> Iterator[str]:
    """How the tile features were made."""
    if card is not None:
        scale = "an unknown scale" if card.mpp is None else f"{card.mpp:g} µm/px"
        kept = f"with more than {percent(card.min_tissue)} tissue" if card.entry else "made elsewhere"
        yield f"Tiles of {card.tile_px} px at {scale}, {kept}, were encoded by {card.name} ({card.dim}-d)."
        if card.cell_probe:
            yield "A linear probe, taught without outcomes, read cell counts and cell types from the vectors."


def _patients(card: TrainingCard, outcome: Outcome) -> Iterator[str]:
    yield f"The models were trained on {card.n} development patients, {card.n_positive} of them with {outcome.name}."
