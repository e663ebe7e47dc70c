"""A trained model of a study, for steps that ask it about what the study has prepared."""

from __future__ import annotations

from espark.bundle.bundle import Bundle
from espark.bundle.folder import load_bundle
from espark.bundle.schema import CardPart
from espark.errors import BundleError
from espark.outcome import Outcome
from espark.steps.prepare.prepared_inputs import StudyInputs
from espark.training.members.catalogue import MODELS
from espark.workspace.opened import Workspace

_CT = ("image_types", "spacing_mm", "bin_width_hu", "ring_mm", "image_model")
_TILES = ("name", "dim", "tile_px", "mpp", "min_tissue", "stain", "stain_target", "weights", "precision", "cell_types")


def trained_model(workspace: Workspace, model: str, study: StudyInputs) -> Bundle:
    """Load a model of the study that was trained on the features which the study has now.

    Args:
        workspace: the opened study.
        model: key of ``MODELS``.
        study: what is prepared.

    Raises:
        BundleError: when there is no such model, it predicts another outcome, or it was trained before the features
            were made again.
    """
    folder = workspace.layout.model(model)
    bundle = load_bundle(folder)
    then, now = bundle.card.outcome, workspace.outcome
    if then != now:
        raise BundleError(
            f"{MODELS[model].title} predicts {_words(then)}, and the outcome of the study is {_words(now)}; the two "
            "cannot be compared",
            where=folder,
            action=f"Correct [study.outcome] in study.toml, or run `espark train {workspace.root}` again.",
        )
    differences = [
        *(_ct_difference(bundle, study) if "ct" in MODELS[model].modalities else ()),
        *(_tile_difference(bundle, study) if "slides" in MODELS[model].modalities else ()),
    ]
    if differences:
        raise BundleError(
            f"{MODELS[model].title} was trained on other features than the study has now: {'; '.join(differences)}",
            where=folder,
            action=f"Run `espark train {workspace.root}` again.",
        )
    return bundle


def _words(outcome: Outcome) -> str:
    """All that makes one outcome differ from another."""
    more = [f'"{outcome.definition}"'] if outcome.definition else []
    more += ["adverse"] if outcome.adverse else []
    return ", ".join((outcome.in_full, f"column {outcome.column}", *more))


def _ct_difference(bundle: Bundle, study: StudyInputs) -> tuple[str, ...]:
    then, now = bundle.card.radiomics, study.radiomics
    if then is None or now is None:
        return ()
    if (then.scales, then.feature_names) == (now.scales, now.feature_names):
        return _differing(now, then, _CT, "CT features") if now.source == "espark" else ()
    counts = [
        ", ".join(f"{len(names)} of the {scale}" for scale, names in zip(card.scales, card.feature_names, strict=True))
        for card in (now, then)
    ]
    if counts[0] == counts[1]:
        return ("the CT features have other names",)
    return (f"CT features are {counts[0]}, and were {counts[1]}",)


def _tile_difference(bundle: Bundle, study: StudyInputs) -> tuple[str, ...]:
    then, now = bundle.card.encoder, study.encoder
    return () if then is None or now is None else _differing(now, then, _TILES, "tiles")


def _differing(now: CardPart, then: CardPart, keys: tuple[str, ...], of: str) -> tuple[str, ...]:
    return tuple(
        f"{key} of the {of} is {getattr(now, key)}, and was {getattr(then, key)}"
        for key in keys
        if getattr(now, key) != getattr(then, key)
    )
