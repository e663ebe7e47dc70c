"""The methods of a study in words, for its report."""

from __future__ import annotations

from espark.bundle import BundleCard, EncoderCard
from espark.ct.models.catalogue import CT_MODELS
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.fusions.catalogue import FUSIONS
from espark.wording import percent
from espark.workspace.config import MScaleCTSettings

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
        paragraphs.append(f"CT. {origin}: {count}. {_ct_network(card)}{_choice_of_features(card)}")
    if card.encoder is not None:
        paragraphs.append(
            f"Slides. {_tiles(card.encoder)}, encoded by {card.encoder.name} ({card.encoder.dim}-d)"
            f"{_choice_of_tiles(card)},{_tile_vector(card)} pooled to one answer (CytoPath; aggregator: "
            f"{AGGREGATORS[card.cytopath.aggregator].title})."
        )
    if card.model == "espark":
        paragraphs.append(_fusion(card))
    return (*paragraphs, _protocol(card), _calibration(card), _conformal(card), _missing(card), _STATISTICS)


def _tiles(encoder: EncoderCard) -> str:
    """How large the tiles are, and which were taken where espark made them."""
    size = f"Tiles of {encoder.tile_px} px at " + ("unknown µm/px" if encoder.mpp is None else f"{encoder.mpp:g} µm/px")
    return f"{size} with more than {percent(encoder.min_tissue)} tissue" if encoder.entry else f"{size}, made elsewhere"


def _ct_network(card: BundleCard) -> str:
    if card.mscalect.model == MScaleCTSettings().model:
        return (
            f"MScaleCT is a multi-layer perceptron of {card.mscalect.depth} layers of {card.mscalect.width} units with "
            "batch norm and identity activation."
        )
    entry = CT_MODELS[card.mscalect.model]
    source = f" ({entry.source})" if entry.source else ""
    numbers = " The features of the scale image are its own, computed from the whole CT." if entry.look else ""
    return f"MScaleCT is {entry.title}{source}, a model that was added to espark.{numbers}"


def _choice_of_features(card: BundleCard) -> str:
    """Which of the features it looks at; empty where it is all of them."""
    chosen, sentences = card.mscalect, []
    if chosen.features != ("*",):
        sentences.append(f"Only features called {' or '.join(chosen.features)} enter it.")
    if chosen.min_icc:
        sentences.append(
            "Features whose intraclass correlation under perturbed contours was below "
            f"{chosen.min_icc:g} among the training patients of a fold were left out of that fold."
        )
    if chosen.selected:
        sentences.append(
            f"Each fold keeps the {chosen.selected} of its features that differ most between patients with and "
            f"without {card.outcome.name} among its training patients, so the folds may look at different ones; all "
            "others are held at the training mean."
        )
        if chosen.max_correlation < 1:
            sentences.append(
                "A feature whose absolute correlation with a stronger one was above "
                f"{chosen.max_correlation:g} was passed over."
            )
    return "".join(f" {sentence}" for sentence in sentences)


def _fusion(card: BundleCard) -> str:
    chosen, joined = card.espark, "the CT vector and the slide vector of a patient"
    if chosen.clinical:
        joined = "the CT vector, the slide vector and the declared clinical columns of a patient"
    slides = (
        "CytoPath, too, was kept as it is, and only the layers above were trained"
        if chosen.slide_learning_rate_factor == 0
        else "the slide branch starts from CytoPath and is trained on with the fusion, at "
        f"{chosen.slide_learning_rate_factor:g} times the learning rate"
    )
    return (
        f"Fusion. Each fold joins {joined} ({FUSIONS[chosen.fusion].title}: {FUSIONS[chosen.fusion].description}). The "
        f"vectors come from the MScaleCT and the CytoPath of the same fold: MScaleCT was kept as it is; {slides}. The "
        f"{card.folds} fold models vote: their calibrated probabilities are averaged."
    )


def _protocol(card: BundleCard) -> str:
    share = f"{card.training.n_positive} of {card.training.n}"
    return (
        f"Protocol. The development patients ({share} with {card.outcome.name}) were split into {card.folds} folds, "
        f"stratified by outcome and by center where there were enough (seed {card.seed}). One model was trained on all "
        f"folds but one; {_fitted_in_the_fold(card)} were fitted on its training patients alone. A development "
        "patient's answer comes from the model that did not see that patient; test and external patients, who took "
        f"part in no choice, are answered by all {card.folds} models."
    )


def _fitted_in_the_fold(card: BundleCard) -> str:
    tiles = card.encoder is not None and card.encoder.cell_types
    parts = {
        "scaling": True,
        "the choice of features": card.radiomics is not None and (card.mscalect.selected or card.mscalect.min_icc),
        "the cut-offs of the cell types": tiles and card.cytopath.cell_type_selection and _some_fitted(card),
    }
    return f"{', '.join(part for part, there in parts.items() if there)} and weights"


def _some_fitted(card: BundleCard) -> bool:
    fixed = card.model_settings.cutoffs.fixed
    return not fixed or None in fixed


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


def _tile_vector(card: BundleCard) -> str:
    if card.cytopath.tile_vector == "features":
        return ""
    return " each described by its standardized similarity to the cell types instead of its vector,"


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
