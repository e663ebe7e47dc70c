"""``bundle.json``: everything about a trained model but its weights, and how a new patient must be measured for it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from espark._version import __version__
from espark.bundle.reference import Reference
from espark.bundle.schema import CardPart, Sha256, Width
from espark.catalogue import Plugin
from espark.outcome import Outcome
from espark.pathology.cytology import Cytology
from espark.strict_toml import Positive, Share
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.types import ClinicalColumn, ClinicalKind, Modality, Outline, Precision, Scale
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings, ProtocolSettings

_MOST_MEMBERS = 1000


class EncoderCard(CardPart):
    """How the tile features were made.

    Attributes:
        name: encoder.
        dim: length of a tile vector.
        tile_px: edge of a tile, in pixels.
        mpp: micrometres per pixel of a tile; None where features made elsewhere do not give it.
        min_tissue: share of tissue above which a tile is kept.
        stain: stain normalization.
        cell_types: keys of the cell types, in the order of the similarity's columns; empty without a text side.
        evidence_mean: mean similarity of the development tiles, by cell type.
        evidence_sd: its SD.
        entry: the encoder's name in the catalogue; empty for features made elsewhere.
        weights: what identifies the encoder's weights; empty for features made elsewhere.
        precision: numbers in which the encoder computed.
        stain_target: profile that tiles are brought to; empty without normalization.
        cell_probe: hash of the probe that reads the cells; empty without a probe.
    """

    name: str
    dim: Width
    tile_px: Width
    mpp: Positive | None
    min_tissue: Share
    stain: str
    cell_types: tuple[str, ...]
    evidence_mean: tuple[float, ...] = ()
    evidence_sd: tuple[float, ...] = ()
    entry: str = ""
    weights: str = ""
    precision: Precision = "float32"
    stain_target: dict[str, Any] = Field(default_factory=dict)
    cell_probe: str = ""

    @property
    def registered(self) -> str:
        """The name under which the registry may know the encoder."""
        return self.entry or self.name


class RadiomicsCard(CardPart):
    """How the radiomic features were made, as recorded when they were prepared.

    Attributes:
        source: computed by espark, or imported from a table.
        image_types: image types of PyRadiomics.
        spacing_mm: voxel size after resampling (x, y, z); None for the CT's own.
        bin_width_hu: bin width of the grey levels.
        scales: the scales, in the order of ``feature_names``.
        feature_names: the features of each scale.
        ring_mm: thickness of the ring around the tumor; 0 without one.
        image_model: the CT model that computed the scale ``image``; empty without.
        outline: which voxels belonged to a contour of an RTSTRUCT; those on the line too in bundles without this entry.
    """

    source: Literal["espark", "imported"]
    image_types: tuple[str, ...]
    spacing_mm: tuple[Positive, Positive, Positive] | None
    bin_width_hu: Positive
    scales: tuple[Scale, ...]
    feature_names: tuple[tuple[str, ...], ...]
    ring_mm: Annotated[float, Field(ge=0, le=50)] = 0.0
    image_model: str = ""
    outline: Outline = "line"

    @model_validator(mode="after")
    def _one_list_of_names_a_scale(self) -> Self:
        if len(self.scales) != len(self.feature_names) or len(set(self.scales)) != len(self.scales):
            raise ValueError(f"{len(self.feature_names)} lists of feature names for the scales {self.scales}")
        return self


class SegmenterCard(CardPart):
    """What finds the regions of a patient without outlined regions.

    Attributes:
        name: segmenter of the catalogue; ``masks`` for none.
        weights: what identifies its weights (`espark.ct.segmentation.weights_identity`); empty for ``masks``.
        proposes_tumor: whether the part of the esophagus with a thick wall is taken as tumor, where the user gives the
            esophagus alone.
    """

    name: str
    weights: str
    proposes_tumor: bool


class ClinicalCard(CardPart):
    """A clinical column that the model looks at.

    Attributes:
        name: the column's name.
        kind: ``number`` or ``category``.
        unit: unit of a number.
        levels: of a category, those of the development patients.
        missing: codes for a missing value, beside an empty cell; None when the study named nothing.
    """

    name: str
    kind: ClinicalKind
    unit: str = ""
    levels: tuple[str, ...] = ()
    missing: tuple[str, ...] | None = None

    def column(self) -> ClinicalColumn:
        """The same as the house's own type."""
        return ClinicalColumn(self.name, self.kind, self.unit, self.missing)


class TrainingCard(CardPart):
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
    n: Annotated[int, Field(ge=0)]
    n_positive: Annotated[int, Field(ge=0)]
    centers: tuple[str, ...]


class AdaptationCard(CardPart):
    """The site that a model was adapted to with `espark adapt`, without labels.

    Attributes:
        center: name of the site.
        n: number of its patients who were used.
        features_sha256: hash of their features.
        date: when it was done, in UTC.
        base: hash of the card of the model before.
    """

    center: str
    n: Annotated[int, Field(ge=1)]
    features_sha256: Sha256
    date: str
    base: Sha256


class BundleCard(CardPart):
    """Everything about a trained model but its weights.

    Attributes:
        format: version of the bundle's layout.
        files: SHA-256 of each file of the bundle, by name; empty before it is saved.
        model: name of the model.
        espark_version: version that trained it.
        disease: the disease it is for.
        outcome: what it predicts.
        seed: seed of folds and weights.
        folds: number of members.
        training: who it was trained on.
        segmenter: what finds the regions on a new CT; None for a model without CT, or with features made elsewhere.
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
        adaptation: the site that it was adapted to; None for a model as it was trained.
    """

    format: Literal[3] = 3
    files: dict[str, Sha256] = Field(default_factory=dict)
    model: str
    espark_version: str = __version__
    disease: str
    outcome: Outcome
    seed: Annotated[int, Field(ge=0)]
    folds: Annotated[int, Field(ge=1, le=_MOST_MEMBERS)]
    training: TrainingCard
    segmenter: SegmenterCard | None = None
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
    adaptation: AdaptationCard | None = None

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        if name not in MODELS:
            raise ValueError(f"there is no model '{name}' (known: {', '.join(MODELS)})")
        return name

    @field_validator("operating_points")
    @classmethod
    def _usable_points(cls, points: dict[Modality, dict[str, Any]]) -> dict[Modality, dict[str, Any]]:
        if not points:
            raise ValueError("there is no operating point")
        for values in points.values():
            OperatingPoint.from_dict(values)
        return points

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
        """Inputs without patients, with the features that the model expects."""
        radiomics = self.radiomics
        names = radiomics.feature_names if radiomics else ()
        width = sum(map(len, names))
        return Inputs((), radiomics.scales if radiomics else (), names, np.zeros((0, width), np.float32), ())
