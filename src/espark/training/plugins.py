"""The plug-ins that a model needs: named in its bundle, looked for when it is loaded, and part of a fold's key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from espark.catalogue import Catalogue, Plugin
from espark.ct.models.catalogue import CT_MODELS
from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.errors import BundleError
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.fusions.catalogue import FUSIONS
from espark.pathology.encoders.catalogue import ENCODERS
from espark.strict_toml import Section
from espark.training.members.catalogue import MODELS

if TYPE_CHECKING:
    from espark.training.settings import ModelSettings

CATALOGUES: dict[str, Catalogue[Any]] = {
    catalogue.kind: catalogue for catalogue in (AGGREGATORS, FUSIONS, ENCODERS, SEGMENTERS, CT_MODELS)
}
"""By kind, everything that a plug-in can add."""


def plugins_of(model: str, settings: ModelSettings, *, encoder: str = "", segmenter: str = "") -> tuple[Plugin, ...]:
    """The plug-ins that a model needs; none when all of it is espark's own.

    Args:
        model: key of ``MODELS``.
        settings: what its folds are trained with.
        encoder: the encoder's name in the catalogue; empty for features made elsewhere.
        segmenter: the segmenter's name in the catalogue; empty when none is used.
    """
    names: list[tuple[Catalogue[Any], str]] = []
    if "ct" in MODELS[model].modalities:
        names += [(CT_MODELS, settings.mscalect.model), (SEGMENTERS, segmenter)]
    if "slides" in MODELS[model].modalities:
        names += [(AGGREGATORS, settings.cytopath.aggregator), (ENCODERS, encoder)]
    if model == "espark":
        names.append((FUSIONS, settings.espark.fusion))
    found = [catalogue.plugin(name) for catalogue, name in names if name]
    return tuple(plugin for plugin in found if plugin is not None)


def without_others(model: str, settings: ModelSettings) -> ModelSettings:
    """The settings for a model's bundle, in which a plug-in that only other models need gives way to the default.

    Args:
        model: key of ``MODELS``.
        settings: of all models.
    """
    needed = {plugin.kind for plugin in plugins_of(model, settings)}
    places = (("mscalect", "model", CT_MODELS), ("cytopath", "aggregator", AGGREGATORS), ("espark", "fusion", FUSIONS))
    changed: dict[str, Any] = {}
    for part, key, catalogue in places:
        section: Section = getattr(settings, part)
        if catalogue.plugin(getattr(section, key)) is not None and catalogue.kind not in needed:
            default = type(section).model_fields[key].default
            changed[part] = section.model_copy(update={key: default})
    return replace(settings, **changed)


def check_plugins(needed: Sequence[Plugin], *, where: object, segmenter: str = "") -> tuple[str, ...]:
    """Look for the plug-ins of a bundle.

    Args:
        needed: those that the bundle names.
        where: the bundle.
        segmenter: the segmenter that is about to be used; empty when there is no need for one, as with masks.

    Returns:
        Sentences on those whose version or code is another than in training.

    Raises:
        BundleError: when one is missing here, with the command that installs it.
        PluginError: when one cannot be used here.
    """
    notes = []
    for plugin in needed:
        if plugin.kind == SEGMENTERS.kind and plugin.name != segmenter:
            continue
        catalogue = CATALOGUES[plugin.kind]
        here = catalogue.plugin(plugin.name) if plugin.name in catalogue else None
        if here is None or here.package != plugin.package:
            raise _missing(plugin, where)
        notes += _differences(plugin, here)
    return tuple(notes)


def _missing(plugin: Plugin, where: object) -> BundleError:
    if not plugin.version:
        return BundleError(
            f"this model needs the {plugin.kind} '{plugin.name}', which was registered from the Python module "
            f"{plugin.package} and is not known here",
            where=where,
            action="Import that module before the model is loaded, or make it a package (docs/plugins.md).",
        )
    return BundleError(
        f"this model needs the {plugin.kind} '{plugin.name}' of the package {plugin.package} {plugin.version}, which "
        "is not installed here",
        where=where,
        action=f"Install it with `pip install {plugin.package}=={plugin.version}`.",
    )


def _differences(then: Plugin, here: Plugin) -> list[str]:
    if then.version != here.version:
        return [f"The model was trained with {then}; version {here.version or 'unknown'} is installed here."]
    if then.code != here.code:
        return [f"The model was trained with {then}; the code of that package is different here."]
    return []
