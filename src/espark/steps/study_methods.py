"""The methods of a study in words, for its report."""

from __future__ import annotations

from espark.bundle import BundleCard
from espark.registry import AGGREGATORS
from espark.wording import percent

_STATISTICS = (
    "Statistics. AUC with DeLong's 95 % interval on the logit scale (Newcombe's score interval where the variance is "
    "zero); models are compared on the same patients by DeLong's test for paired curves, two-sided, with p adjusted by "
    "Holm's method over the pairs in a cohort. Shares have Wilson's interval, the Brier score and average precision "
    "one from the bootstrap; changed decisions are tested by McNemar's exact test; net benefit is that of decision "
    "curve analysis. Radiomic features and cell types are tested one by one, p adjusted by Benjamini and Hochberg's "
    "method."
)


def methods(card: BundleCard) -> tuple[str, ...]:
    """The methods of a study, paragraph by paragraph, with the settings that its model was trained with."""
    paragraphs = []
    if card.radiomics is not None:
        spacing = card.radiomics.spacing_mm
        grid = "the CT's own grid" if spacing is None else f"{' × '.join(f'{edge:g}' for edge in spacing)} mm voxels"
        count = " + ".join(f"{len(names)} ({scale})" for scale, names in zip(card.radiomics.scales, card.radiomics.feature_names, strict=True))  # fmt: skip  # noqa: E501
        origin = (
            f"PyRadiomics features on {grid}, bin width {card.radiomics.bin_width_hu:g} HU, image types "
            f"{', '.join(card.radiomics.image_types)}"
            if card.radiomics.source == "espark"
            else "Radiomic features made elsewhere"
        )
        paragraphs.append(
            f"CT. {origin}: {count}. MScaleCT is a multi-layer perceptron of {card.mscalect.depth} layers of "
            f"{card.mscalect.width} units with batch norm and identity activation."
        )
    if card.encoder is not None:
        paragraphs.append(
            f"Slides. Tiles of {card.encoder.tile_px} px at {card.encoder.mpp:g} µm/px with more than "
            f"{percent(card.encoder.min_tissue)} tissue, encoded by {card.encoder.name} ({card.encoder.dim}-d)"
            f"{_choice_of_tiles(card)}, pooled to one answer (CytoPath; aggregator: "
            f"{AGGREGATORS[card.cytopath.aggregator].title})."
        )
    if card.model == "espark":
        paragraphs.append(
            "Fusion. The CT vector and the slide vector of a patient, each from the models of the same fold, are "
            f"projected, joined and classified. The {card.folds} fold models vote: their calibrated probabilities are "
            "averaged."
        )
    return (*paragraphs, _protocol(card), _calibration(card), _conformal(card), _missing(card), _STATISTICS)


def _protocol(card: BundleCard) -> str:
    share = f"{card.training.n_pcr} of {card.training.n}"
    return (
        f"Protocol. The development patients ({share} with pCR) were split into {card.folds} folds, stratified by "
        f"outcome and by center where there were enough (seed {card.seed}). One model was trained on all folds but "
        "one; scaling, tile selection and weights were fitted on its training patients alone. A development patient's "
        "answer comes from the model that did not see that patient; test and external patients, who took part in no "
        f"choice, are answered by all {card.folds} models."
    )


def _calibration(card: BundleCard) -> str:
    goal = {
        "youden": "the highest Youden index",
        "sensitivity_floor": "the highest Youden index at "
        f"{percent(card.protocol.min_sensitivity)} sensitivity or more",
    }[card.protocol.operating_point]
    vote = {
        "soft": "the mean of the models' calibrated probabilities is compared with the threshold",
        "majority": "each model's calibrated probability is compared with the threshold and the majority decides",
    }[card.protocol.voting]
    return (
        "Calibration and threshold. Platt scaling, a logistic function of the logit, was fitted on the out-of-fold "
        f"answers of the development patients, and the threshold has {goal} among them; for the call, {vote}. "
        "Development figures are cross-fitted: for a patient of a fold, both were fitted on the other folds."
    )


def _conformal(card: BundleCard) -> str:
    return (
        f"Uncertainty. Split-conformal sets with a stated coverage of {percent(card.protocol.coverage)} were fitted on "
        "the same out-of-fold answers. A set that holds both outcomes, or neither, is reported as “not sure”. A "
        "patient whose features lie farther from the development patients than their own limit is outside what the "
        "model knows, and the answer is withheld on the patient's page; it counts in the results all the same."
    )


def _choice_of_tiles(card: BundleCard) -> str:
    if card.encoder is None or not card.encoder.cell_types or not card.cytopath.cell_type_selection:
        return ""
    return f", chosen by their similarity to {len(card.encoder.cell_types)} cell types"


def _missing(card: BundleCard) -> str:
    hidden = card.model == "espark" and card.espark.modality_dropout > 0
    trained = (
        " eSPARK was trained with a modality hidden now and then "
        f"({percent(card.espark.modality_dropout)} of the time), and has a calibrator and a threshold of its own for "
        "each."
        if hidden
        else ""
    )
    return (
        f"Missing data. A patient without a CT or without a slide is used for what there is.{trained} A region that is "
        "not known enters as the training mean with a flag that says so. No outcome is imputed: a patient whose "
        "outcome is not known counts in no result."
    )
