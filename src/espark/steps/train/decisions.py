"""Every choice of a training, and what it was based on, in sentences: for the bundle, its card and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from espark.catalogue import Plugin
from espark.ct.models.catalogue import CT_MODELS
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.fusions.catalogue import FUSIONS
from espark.pathology.cytology import Cutoffs
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.types import Modality, Voting
from espark.wording import percent
from espark.workspace.config import ESparkSettings, MScaleCTSettings, OptimizerSettings, ProtocolSettings

_VOTES: dict[Voting, str] = {
    "soft": "soft, the mean probability against the threshold",
    "majority": "majority, the probability of each fold against the threshold, a tie broken by the mean",
}

_GOALS = {
    "youden": "the highest Youden index",
    "sensitivity_floor": "the highest Youden index where the sensitivity is at least {floor:g}",
}

_LOOKS: dict[Modality, str] = {
    "both": "whatever there is of a patient",
    "ct": "CT alone",
    "slides": "slides alone",
    "clinical": "clinical columns",
}


def decisions(
    model: str,
    settings: ModelSettings,
    protocol: ProtocolSettings,
    seed: int,
    points: Mapping[Modality, OperatingPoint],
    plugins: Sequence[Plugin] = (),
) -> tuple[str, ...]:
    """The choices that a bundle rests on; of models that it does not hold, none is named.

    Args:
        model: key of ``MODELS``.
        settings: what the folds were trained with.
        protocol: folds, threshold, vote and coverage.
        seed: of the folds.
        points: by what the model looks at, what was fitted out of fold; first that of all it can look at.
        plugins: what the model needs that is not part of espark.
    """
    modalities = MODELS[model].modalities
    return (
        f"Folds: {protocol.folds}, stratified by label and by center where there are enough, seed {seed}; saved in "
        "splits.csv.",
        *(f"Plug-in: {plugin}." for plugin in plugins),
        *(_of_ct(settings.mscalect) if "ct" in modalities else ()),
        *(_of_slides(settings) if "slides" in modalities else ()),
        *(_of_fusion(settings.espark) if model == "espark" else ()),
        *(_of_clinical() if model == "clinical" else ()),
        *_epochs(model, settings),
        *_precision(model, settings),
        "Calibration: Platt scaling of the out-of-fold predictions of the development patients.",
        *_thresholds(protocol, points),
        f"Vote: {_VOTES[protocol.voting]}; the probability is the mean of the calibrated ones of all folds.",
        f"Conformal sets: coverage {percent(protocol.coverage)}, from the same predictions.",
        "Reported development figures: calibrator, threshold and sets fitted on the other folds.",
        *(_applicability() if model != "clinical" else ()),
    )


def _of_ct(settings: MScaleCTSettings) -> Iterator[str]:
    entry = CT_MODELS[settings.model]
    if entry.name != MScaleCTSettings().model:
        looks = f", which computes {len(entry.features)} numbers from the image itself" if entry.look else ""
        yield f"MScaleCT: the CT model {entry.title}{looks}."
    yield "Scaling of the radiomics: mean and SD of the training part of each fold."
    if settings.min_icc:
        yield (
            f"Radiomic features whose intraclass correlation under perturbed contours is below {settings.min_icc:g} in "
            "the training part of a fold are left out of it."
        )
    names = " or ".join(settings.features)
    named = "all" if settings.features == ("*",) else f"those called {names}, said beforehand in study.toml"
    if not settings.selected:
        yield f"Radiomic features of MScaleCT: {named}; none was chosen by the outcome."
        return
    yield (
        f"Radiomic features of MScaleCT: of {named}, in each fold the {settings.selected} that differ most between "
        "patients with and without the outcome (absolute correlation with it, all scales together) in the training "
        f"part of the fold{_without_likes(settings)}; how many was said beforehand in study.toml."
    )


def _without_likes(settings: MScaleCTSettings) -> str:
    if settings.max_correlation == 1:
        return ""
    return f", passing over those whose absolute correlation with a stronger one is above {settings.max_correlation:g}"


def _of_slides(settings: ModelSettings) -> Iterator[str]:
    yield f"Aggregator: {AGGREGATORS[settings.cytopath.aggregator].title}."
    chosen = settings.cytopath.cell_type_selection
    yield f"Tiles: {_tile_choice(settings.cutoffs) if chosen else 'all of them, without selection by cell type'}."
    if settings.cytopath.tile_vector == "profile":
        yield (
            "What is pooled of a tile: its similarity to each cell type, standardized by mean and SD over the patients "
            "of the training part of each fold."
        )


def _tile_choice(cutoffs: Cutoffs) -> str:
    fitted = f"a cut-off that the top {percent(cutoffs.share)} of the training tiles of each fold passes"
    known = [value is not None for value in cutoffs.fixed]
    rule = fitted if not any(known) else "a cut-off given beforehand"
    if any(known) and not all(known):
        rule = f"{rule}, or {fitted} where there is none"
    return f"those that pass, for any cell type, {rule}"


def _of_fusion(settings: ESparkSettings) -> Iterator[str]:
    fused = (
        "CT, slides and the declared clinical columns, encoded as the training part of each fold says"
        if settings.clinical
        else "CT and slides"
    )
    yield f"Fusion: {FUSIONS[settings.fusion].title}, of {fused}."
    yield (
        "CT vector of the fusion: that of the fold's own MScaleCT, kept as it is; the layers that it passes then are "
        f"trained at {settings.ct_learning_rate_factor:g} times the learning rate."
    )
    if settings.slide_learning_rate_factor == 0:
        yield (
            "Slide vector of the fusion: that of the fold's own CytoPath, kept as it is; only the layers above the two "
            "were trained. Said beforehand in study.toml."
        )
    else:
        yield (
            "Slide vector of the fusion: from a branch that starts as the fold's own CytoPath and is trained on, at "
            f"{settings.slide_learning_rate_factor:g} times the learning rate."
        )
    if settings.modality_dropout:
        yield (
            f"Modality dropout: with probability {settings.modality_dropout:g} a training step hides the CT or the "
            "slides of a patient who has both, so that either alone can be answered; said beforehand in study.toml."
        )


def _of_clinical() -> Iterator[str]:
    yield (
        "Clinical columns: those declared in study.toml; numbers scaled, and categories known, by the training part of "
        "each fold."
    )


def _epochs(model: str, settings: ModelSettings) -> Iterator[str]:
    """How the epoch of each network in the bundle came about."""
    parts = _networks(model, settings)
    fixed = [MODELS[name].title for name, part in parts.items() if not part.inner_share]
    if fixed:
        names = "" if len(fixed) == len(parts) else f" of {' and '.join(fixed)}"
        yield f"Epochs{names}: fixed beforehand in study.toml; no cohort was looked at to choose one."
    for name, part in parts.items():
        if part.inner_share:
            yield (
                f"Epoch of {MODELS[name].title}: in each fold, that of the lowest loss on {percent(part.inner_share)} "
                f"of its training part, set aside and not trained on; at most {part.epochs}."
            )


def _precision(model: str, settings: ModelSettings) -> Iterator[str]:
    """Which networks were not trained in float32 throughout."""
    rounded = [MODELS[name].title for name, part in _networks(model, settings).items() if part.precision != "float32"]
    if rounded:
        yield (
            f"Precision: the layers of {' and '.join(rounded)} were multiplied in bfloat16 in training; weights and "
            "answers are float32. Said beforehand in study.toml."
        )


def _networks(model: str, settings: ModelSettings) -> dict[str, OptimizerSettings]:
    """The networks inside a bundle, by name, in the order in which they are trained."""
    parts: dict[str, OptimizerSettings] = {
        "mscalect": settings.mscalect, "cytopath": settings.cytopath, "espark": settings.espark
    }  # fmt: skip
    inside = {"espark": tuple(parts), "clinical": ()}.get(model, (model,))
    return {name: parts[name] for name in inside}


def _thresholds(protocol: ProtocolSettings, points: Mapping[Modality, OperatingPoint]) -> Iterator[str]:
    goal = _GOALS[protocol.operating_point].format(floor=protocol.min_sensitivity)
    own = next(iter(points))
    for modality, point in points.items():
        start = "Threshold" if len(points) == 1 else f"Threshold for {_LOOKS[modality]}"
        if modality != own and point == points[own]:
            yield f"{start}: calibrator, threshold and sets are those for {_LOOKS[own]}, as too few patients have it."
        else:
            yield (
                f"{start}: {point.threshold:.3f}, {goal} on calibrated out-of-fold predictions "
                f"({point.calibrator.n} patients)."
            )


def _applicability() -> Iterator[str]:
    yield (
        "Applicability: distance to the development patients in the space of the features, where at least ten of them "
        "have a modality; the limit is three SD above the mean logarithm of the distance of those whom the fit did not "
        "see."
    )
