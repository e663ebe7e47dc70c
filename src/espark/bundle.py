"""A trained model that predicts without its study: save, load, vote, calibrate, predict."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from espark._version import __version__
from espark.catalogue import Plugin
from espark.errors import BundleError, InputError
from espark.files import load_tensors, read_json, save_tensors, write_json, write_text
from espark.outcome import Outcome
from espark.pathology.cytology import Cytology
from espark.training.applicability import Applicability
from espark.training.ensemble import Ensemble, Prediction
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.clinical import ClinicalMember
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.member import Member
from espark.training.members.mscalect import MScaleCTMember
from espark.training.members.state import MemberState
from espark.training.operating_point import OperatingPoint
from espark.training.plugins import check_plugins
from espark.training.settings import ModelSettings
from espark.types import ClinicalColumn, ClinicalKind, DoubleArray, FloatArray, Modality, Scale
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings, ProtocolSettings

logger = logging.getLogger("espark")

_APPLICABILITY_TILES = 300

_MEMBERS: dict[str, type[ClinicalMember] | type[MScaleCTMember] | type[CytoPathMember] | type[ESparkMember]] = {
    "clinical": ClinicalMember,
    "mscalect": MScaleCTMember,
    "cytopath": CytoPathMember,
    "espark": ESparkMember,
}


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderCard(_Frozen):
    """How the tile features were made.

    Attributes:
        name: encoder.
        dim: length of a tile vector.
        tile_px: edge of a tile, in pixels.
        mpp: micrometres per pixel of a tile; None where features made elsewhere do not tell.
        min_tissue: share of tissue above which a tile is kept.
        stain: stain normalization.
        cell_types: keys of the cell types, in the order of the similarity's columns; empty without a text side.
        evidence_mean: mean similarity of the development tiles, by cell type.
        evidence_sd: its SD.
        entry: the encoder's name in the catalogue; empty for features made elsewhere.
        weights: what identifies the encoder's weights; empty for features made elsewhere.
        stain_target: profile that tiles are brought to; empty without normalization.
    """

    name: str
    dim: int
    tile_px: int
    mpp: float | None
    min_tissue: float
    stain: str
    cell_types: tuple[str, ...]
    evidence_mean: tuple[float, ...] = ()
    evidence_sd: tuple[float, ...] = ()
    entry: str = ""
    weights: str = ""
    stain_target: dict[str, Any] = {}

    @property
    def registered(self) -> str:
        """The name under which the registry may know the encoder."""
        return self.entry or self.name


class RadiomicsCard(_Frozen):
    """How the radiomic features were made.

    Attributes:
        source: computed by espark, or imported from a table.
        image_types: image types of PyRadiomics.
        spacing_mm: voxel size after resampling (x, y, z); None for the CT's own.
        bin_width_hu: bin width of the grey levels.
        scales: the scales, in the order of ``feature_names``.
        feature_names: the features of each scale.
        ring_mm: thickness of the ring around the tumor; 0 without one.
        image_model: the CT model that computed the scale ``image``; empty without.
    """

    source: Literal["espark", "imported"]
    image_types: tuple[str, ...]
    spacing_mm: tuple[float, float, float] | None
    bin_width_hu: float
    scales: tuple[Scale, ...]
    feature_names: tuple[tuple[str, ...], ...]
    ring_mm: float = 0.0
    image_model: str = ""


class ClinicalCard(_Frozen):
    """A clinical column that the model looks at.

    Attributes:
        name: the column's name.
        kind: ``number`` or ``category``.
        unit: unit of a number.
        levels: of a category, those of the development patients.
        missing: what stands for a missing value beside an empty one; None when the study named nothing.
    """

    name: str
    kind: ClinicalKind
    unit: str = ""
    levels: tuple[str, ...] = ()
    missing: tuple[str, ...] | None = None

    def column(self) -> ClinicalColumn:
        """The same as the house's own type."""
        return ClinicalColumn(self.name, self.kind, self.unit, self.missing)


class TrainingCard(_Frozen):
    """Who the model was trained on.

    Attributes:
        study: title of the study.
        simulated: whether the patients were simulated.
        n: development patients with a label.
        n_positive: those with the outcome.
        centers: their centers.
    """

    study: str
    simulated: bool
    n: int
    n_positive: int
    centers: tuple[str, ...]


class ModalityReference(_Frozen):
    """Development patients with CT and slides, seen through one modality alone; in one order for every modality.

    Attributes:
        probability: cross-fitted probability of each.
        labels: label of each.
        conformal_set: cross-fitted conformal set of each.
    """

    probability: tuple[float, ...]
    labels: tuple[int, ...]
    conformal_set: tuple[str, ...]


class Reference(_Frozen):
    """Development patients, out of fold and without their ids, among whom a new patient is placed.

    Attributes:
        probability: cross-fitted probability of each, ascending.
        labels: label of each, in the same order.
        prediction: cross-fitted call of each, in the same order.
        conformal_set: cross-fitted conformal set of each, in the same order.
        by_modality: for a model of both modalities, what it answers for CT and slides, CT alone and slides alone.
        contribution: by cell type, the contribution in each patient with slides, ascending.
        biomarkers: ``nlr`` and ``differentiation`` in each patient with slides, ascending.
        biomarker_labels: label of each, in the order of ``biomarkers``.
        biomarker_favorable: by biomarker, 1 for each patient on the side where the outcome is expected, at the cut-off
            that the other folds give; in the same order.
        tumor_volume_ml: volume of each tumor, ascending.
    """

    probability: tuple[float, ...]
    labels: tuple[int, ...]
    prediction: tuple[int, ...]
    conformal_set: tuple[str, ...] = ()
    by_modality: dict[Modality, ModalityReference] = {}
    contribution: dict[str, tuple[float, ...]] = {}
    biomarkers: dict[str, tuple[float, ...]] = {}
    biomarker_labels: dict[str, tuple[int, ...]] = {}
    biomarker_favorable: dict[str, tuple[int, ...]] = {}
    tumor_volume_ml: tuple[float, ...] = ()


class BundleCard(_Frozen):
    """``bundle.json``: everything about a trained model but its weights.

    Attributes:
        format: version of the bundle's layout.
        model: name of the model.
        espark_version: version that trained it.
        disease: the disease it is for.
        outcome: what it predicts.
        seed: seed of folds and weights.
        folds: number of members.
        training: who it was trained on.
        radiomics: how CT features must be made; None for a model without CT.
        encoder: how tile features must be made; None for a model without slides.
        clinical: clinical columns that the model looks at; empty for a model without.
        mscalect: settings of MScaleCT.
        cytopath: settings of CytoPath.
        espark: settings of the fusion.
        cytology: cell types, prompts and cut-offs; None for a model without slides.
        protocol: how the threshold was chosen, and the coverage of the sets.
        operating_points: calibrator, threshold and conformal sets for each modality the model can be given.
        reference: development patients to compare with.
        decisions: every choice of the training, and what it was based on.
        plugins: what it needs that is not part of espark.
    """

    format: Literal[1] = 1
    model: str
    espark_version: str = __version__
    disease: str
    outcome: Outcome
    seed: int
    folds: int
    training: TrainingCard
    radiomics: RadiomicsCard | None
    encoder: EncoderCard | None
    clinical: tuple[ClinicalCard, ...] = ()
    mscalect: MScaleCTSettings
    cytopath: CytoPathSettings
    espark: ESparkSettings
    cytology: Cytology | None = None
    protocol: ProtocolSettings
    operating_points: dict[Modality, dict[str, Any]]
    reference: Reference
    decisions: tuple[str, ...] = ()
    plugins: tuple[Plugin, ...] = ()

    @property
    def title(self) -> str:
        """Name of the model in reports."""
        return MODELS[self.model].title

    @property
    def looks_at(self) -> tuple[str, ...]:
        """Modalities of the model, and ``clinical`` where the fusion takes clinical columns."""
        modalities: tuple[str, ...] = MODELS[self.model].modalities
        return (*modalities, "clinical") if self.clinical and "clinical" not in modalities else modalities

    @property
    def model_settings(self) -> ModelSettings:
        """The settings the members were trained with."""
        cytology = self.cytology or Cytology()
        cutoffs = cytology.cutoffs_for(self.encoder.registered if self.encoder else None)
        return ModelSettings(self.mscalect, self.cytopath, self.espark, cutoffs)

    def empty_inputs(self) -> Inputs:
        """Inputs of nobody, with the features the model expects."""
        radiomics = self.radiomics
        names = radiomics.feature_names if radiomics else ()
        width = sum(map(len, names))
        return Inputs((), radiomics.scales if radiomics else (), names, np.zeros((0, width), np.float32), ())


class _Needs(BaseModel):
    """What a bundle must find installed before the rest of it can be read."""

    plugins: tuple[Plugin, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """A trained model.

    Attributes:
        card: what ``bundle.json`` says.
        members: one trained fold each.
        applicability: distance to the development patients by modality (``ct``, ``slides``).
    """

    card: BundleCard
    members: tuple[Member, ...]
    applicability: dict[str, Applicability]

    @property
    def ensemble(self) -> Ensemble:
        """The members, and how their answers become one."""
        points = {modality: OperatingPoint.from_dict(values) for modality, values in self.card.operating_points.items()}
        return Ensemble(self.card.model, self.members, points, self.card.protocol.voting)

    def raw(self, inputs: Inputs) -> DoubleArray:
        """(folds, patients) each member's probability before calibration; NaN where it has nothing to look at."""
        return self.ensemble.raw(inputs)

    def predict(self, inputs: Inputs) -> list[Prediction | None]:
        """The answer for each patient; None for one of whom there is nothing this model can look at."""
        return self.ensemble.predict(inputs)

    def modality(self, inputs: Inputs, index: int) -> Modality | None:
        """What the model looks at in a patient; None when there is nothing for it."""
        return self.ensemble.modality(inputs, index)

    def distances(self, inputs: Inputs) -> dict[str, tuple[float, float]]:
        """Distance of the one patient in ``inputs`` and its limit, by modality that is there."""
        rows = applicability_rows(inputs, 0)
        found = {"ct": inputs.has_ct[0], "slides": inputs.has_slides[0]}
        return {
            modality: (check.distance(rows[modality]), check.limit)
            for modality, check in self.applicability.items()
            if found[modality]
        }


def applicability_rows(inputs: Inputs, index: int) -> dict[str, FloatArray]:
    """By modality, the (rows, features) of a patient in which distance to the development patients is measured.

    Of a CT it is the one row of radiomics, of slides at most 300 evenly spaced tiles.
    """
    bag = inputs.bags[index]
    tiles = np.zeros((0, inputs.tile_dim), np.float32) if bag is None else bag.features
    step = max(1, len(tiles) // _APPLICABILITY_TILES)
    return {"ct": inputs.radiomics[index : index + 1], "slides": tiles[::step][:_APPLICABILITY_TILES]}


def member_path(folder: Path, fold: int) -> Path:
    """Where a bundle keeps the weights of a fold."""
    return folder / f"fold-{fold:02d}.safetensors"


def restore_member(card_inputs: Inputs, settings: ModelSettings, model: str, path: Path) -> Member:
    """Read one trained fold."""
    return _MEMBERS[model].restore(card_inputs, settings, MemberState.load(path))


def save_bundle(folder: Path, card: BundleCard, applicability: dict[str, Applicability], model_card: str) -> None:
    """Write everything but the members, which training has already put there. ``bundle.json`` comes last."""
    for modality, check in sorted(applicability.items()):
        save_tensors(folder / f"applicability-{modality}.safetensors", check.tensors())
    write_text(folder / "MODEL_CARD.md", model_card)
    write_json(folder / "bundle.json", card.model_dump(mode="json"))


def load_bundle(folder: Path) -> Bundle:
    """Read a trained model.

    Raises:
        BundleError: when the folder holds no bundle, one that this version cannot read, or one that needs a plug-in
            which is not installed.
    """
    card = _load_card(folder)
    template = card.empty_inputs()
    try:
        members = tuple(
            restore_member(template, card.model_settings, card.model, member_path(folder, fold))
            for fold in range(card.folds)
        )
        applicability: dict[str, Applicability] = {
            modality: Applicability.restore(load_tensors(folder / f"applicability-{modality}.safetensors"))
            for modality in MODELS[card.model].modalities
            if (folder / f"applicability-{modality}.safetensors").exists()
        }
    except (InputError, KeyError, RuntimeError) as error:
        raise BundleError(
            f"the weights do not belong to this bundle ({error})", where=folder, action="Train again or copy it again."
        ) from error
    return Bundle(card, members, applicability)


@functools.lru_cache(maxsize=1)
def bundle_once(folder: Path, content_hash: str) -> Bundle:
    """A bundle, read once a process; the hash of its content tells another one in the same folder apart."""
    del content_hash
    return load_bundle(folder)


def _load_card(folder: Path) -> BundleCard:
    path = folder / "bundle.json"
    if not path.is_file():
        found = _bundles_below(folder)
        raise BundleError(
            "there is no trained model here",
            where=folder,
            expected="a folder with bundle.json, such as STUDY/models/espark",
            action=f"Did you mean {found[0]}?" if found else "Train one with `espark train STUDY`.",
        )
    content = read_json(path)
    try:
        # Before the rest is read, whose names only the plug-ins make known.
        for note in check_plugins(_Needs.model_validate(content).plugins, where=path):
            logger.warning(note)
        return BundleCard.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(
            f"this version ({__version__}) cannot read '{where}': {first['msg']}",
            where=path,
            action="Use the version that trained it, or train again.",
        ) from error


def _bundles_below(folder: Path) -> Sequence[Path]:
    candidates = [*folder.glob("*/bundle.json"), *folder.glob("models/*/bundle.json")]
    return sorted((path.parent for path in candidates), key=lambda path: (path.name != "espark", path))
