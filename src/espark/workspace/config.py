"""``study.toml``: the settings of a study, with every default in one place.

The file is strict: an unknown key is an error that names the nearest known one, and every problem is reported at
once. The commented template that ``espark init`` writes is made from the descriptions below, so it cannot drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from espark.catalogue import Catalogue
from espark.ct.features.image_types import IMAGE_TYPES
from espark.ct.models.catalogue import CT_MODELS
from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.errors import ConfigError, PluginError, nearest
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.fusions.catalogue import FUSIONS
from espark.outcome import Outcome
from espark.pathology.encoders.catalogue import ENCODERS
from espark.pathology.stain.catalogue import STAINS
from espark.strict_toml import Positive, Section, Share, read_section
from espark.tables.names import SafeName
from espark.types import (
    SCALES,
    Calibration,
    ClinicalColumn,
    ClinicalKind,
    CtVoice,
    Outline,
    Precision,
    SlideVoice,
    Voting,
)
from espark.workspace.imported import FeatureTable, SlideFeatureFolder

# Far beyond what anybody trains; a number beyond them is a slip, or a bundle that somebody changed.
_MOST_EPOCHS, _MOST_PATIENTS, _MOST_UNITS, _MOST_LAYERS = 100_000, 1_000_000, 16_384, 64
_MOST_TILES, _MOST_FEATURES = 10_000_000, 1_000_000

_CtVoice = Annotated[str, Field(pattern=f"^({'|'.join(get_args(CtVoice))})(:({'|'.join(SCALES)}))?$")]
"""A voice, and after a colon the one scale that it looks at."""


class StudySettings(Section):
    """What the study is."""

    name: str = Field("My study", description="Title of the reports.")
    simulated: bool = Field(
        False, description="true when the patients are simulated; every page of the reports then states it."
    )
    seed: int = Field(3407, ge=0, description="Seed of folds and models. Same seed, same result.")
    disease: str = Field(
        "locally advanced esophageal squamous cell carcinoma before neoadjuvant immunochemotherapy",
        min_length=1,
        description="Disease and treatment that the models are for, as the reports name them.",
    )
    outcome: Outcome = Outcome()


class CtSettings(Section):
    """From CT to radiomic features."""

    image_types: tuple[str, ...] = Field(
        tuple(IMAGE_TYPES), description="Image types of PyRadiomics. All of them give 2153 features a region."
    )
    spacing_mm: tuple[Positive, Positive, Positive] | Literal["native"] = Field(
        (2.0, 2.0, 2.0),
        description='Voxel size (x, y, z) to which CT and regions are resampled, in mm; or "native" for none.',
    )
    bin_width_hu: Positive = Field(25.0, description="Bin width of the grey levels for texture features, in HU.")
    ring_mm: Annotated[float, Field(ge=0, le=50)] = Field(
        0.0,
        description="Thickness in mm of the ring of soft tissue around the tumor, a third scale; 5 to 15 are usual.",
    )
    tumor_roi: str = Field(
        "", description="Name or number of the tumor in its file, where the cell in cohort.csv is empty. Dash: none."
    )
    esophagus_roi: str = Field("", description="The same of the esophagus.")
    outline: Outline = Field("polygon", description="Voxels of an RTSTRUCT: polygon, or line (adds those on its line).")
    segmenter: str = Field(
        "espark-mini-seg", description=f"Finds the regions of patients without a mask: {', '.join(SEGMENTERS.own)}."
    )
    segmenter_weights: str = Field(
        "", description="Folder of the segmenter's weights, relative to study.toml; empty for the default weights."
    )
    stability_patients: int = Field(
        0,
        ge=0,
        description="Development patients whose features are computed again on perturbed contours, for [mscalect]\n"
        "min_icc and evaluation/stability.csv. 0 for none; 30 are enough.",
    )
    stability_draws: int = Field(3, ge=1, le=20, description="Perturbed contours of each of them.")
    stability_mm: Positive = Field(1.0, description="SD of the displacement of their surfaces, in mm.")

    @field_validator("image_types")
    @classmethod
    def _known_image_types(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known(name, IMAGE_TYPES, "image type") for name in names)

    @field_validator("segmenter")
    @classmethod
    def _known_segmenter(cls, name: str) -> str:
        return _known(name, SEGMENTERS, "segmenter")


class SlideSettings(Section):
    """From slide to tile features."""

    encoder: str = Field("espark-mini", description=f"Tile encoder: {', '.join(ENCODERS.own)}.")
    encoder_path: str = Field(
        "",
        description="Folder of the encoder's files, relative to study.toml, or the name of a model of the Hugging\n"
        "Face hub that was downloaded before. Not needed for espark-mini.",
    )
    encoder_name: str = Field("", description="How reports call the encoder, such as plip. Empty: the name above.")
    precision: Precision | Literal["auto"] = Field(
        "auto",
        description="Numbers in which espark-mini computes. auto: bfloat16 where the processor has it, else float32.\n"
        "Slides of one study share one precision: on another kind of machine, auto prepares all of them again.",
    )
    cell_probe: str = Field(
        "",
        description="For an encoder without a text side: file that reads cell types and counts from its vectors,\n"
        "relative to study.toml. `espark encoder teach` makes it. Empty: no cell types.",
    )
    min_tissue: Share = Field(0.3, description="A tile is kept when more than this share of it is tissue.")
    stain: str = Field("none", description=f"Stain normalization of the tiles: {', '.join(STAINS)}.")
    stain_target: str = Field(
        "",
        description="A picture of well-stained tissue (PNG, JPEG) as the target of the normalization, relative to\n"
        "study.toml. Empty: the target in the package.",
    )

    @field_validator("stain")
    @classmethod
    def _known_stain(cls, name: str) -> str:
        return _known(name, STAINS, "stain normalization")

    @field_validator("encoder")
    @classmethod
    def _known_encoder(cls, name: str) -> str:
        return _known(name, ENCODERS, "encoder")


class ProtocolSettings(Section):
    """How models are trained, joined and judged."""

    folds: int = Field(10, ge=2, le=50, description="Stratified folds of the development patients; one model each.")
    repeats: int = Field(
        1,
        ge=1,
        le=20,
        description="How often the patients are split into folds, with one model for each fold of each split. More\n"
        "splits make the answers steadier where training takes seconds.",
    )
    calibration: Calibration = Field(
        "platt",
        description="How answers of the fold models become probabilities. platt: a logistic function of the logit;\n"
        "anchored: the same with a slope near 1, for models whose answers are log-odds already, such as voices.",
    )
    operating_point: Literal["youden", "sensitivity_floor"] = Field(
        "youden", description="How the threshold is chosen from out-of-fold predictions: youden or sensitivity_floor."
    )
    voting: Voting = Field(
        "soft",
        description="How the fold models come to one call. soft: their mean calibrated probability, against the\n"
        "threshold; majority: the probability of each. The probability that is reported is the mean either way.",
    )
    min_sensitivity: Share = Field(0.9, description="The floor, when operating_point is sensitivity_floor.")
    coverage: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.9, description='Coverage of the conformal sets, which may answer "not sure".'
    )
    prevalences: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="Shares of patients with the outcome at which PPV and NPV are given too, such as [0.2, 0.3]."
    )

    @property
    def members(self) -> int:
        """Number of fold models of a model."""
        return self.folds * self.repeats


class OptimizerSettings(Section):
    """AdamW with a cosine schedule after a linear warm-up."""

    epochs: int = Field(25, ge=1, le=_MOST_EPOCHS, description="Passes over the training patients.")
    learning_rate: Positive = Field(3e-4, description="Highest learning rate.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-4, description="Weight decay of AdamW.")
    warmup_epochs: Annotated[int, Field(ge=0, le=_MOST_EPOCHS)] = Field(5, description="Epochs of linear warm-up.")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="Label smoothing of the cross-entropy."
    )
    batch_size: int = Field(1, ge=1, le=_MOST_PATIENTS, description="Patients in a batch.")
    inner_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0,
        description="Share of the training patients of a fold that is set aside to choose its epoch: the one with the\n"
        "lowest loss on them. 0: no patients, and the last epoch counts.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=_MOST_EPOCHS,
        description="With inner_share, stop after so many epochs without a lower loss. 0: never.",
    )
    precision: Precision = Field(
        "float32",
        description="Numbers in which layers are multiplied in training: float32 or bfloat16. bfloat16 is faster on\n"
        "large bags where the processor has it (see `espark doctor`); answers are always computed in float32.",
    )


class MScaleCTSettings(OptimizerSettings):
    """MScaleCT: a multi-layer perceptron over the radiomics of all scales."""

    epochs: int = Field(50, ge=1, le=_MOST_EPOCHS, description="Passes over the training patients.")
    learning_rate: Positive = Field(1e-4, description="Highest learning rate.")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="Label smoothing of the cross-entropy."
    )
    batch_size: int = Field(256, ge=1, le=_MOST_PATIENTS, description="Patients in a batch.")
    model: str = Field(
        "network",
        description="CT model: network, the published one, or that of a plug-in, which may look at the image itself.\n"
        "With voices, a network is not used.",
    )
    voices: tuple[_CtVoice, ...] = Field(
        (),
        description="Linear models on the ranks of the features, in the place of the network, and the answer is their\n"
        "weighted mean. leading: the features that differ most (10, or selected); ridge: all features; components:\n"
        "their first 8 principal components. A scale after a colon, as in ridge:tumor, leaves the other scales out.",
    )
    width: int = Field(192, ge=1, le=_MOST_UNITS, description="Units of each layer; also the length of the embedding.")
    depth: int = Field(3, ge=1, le=_MOST_LAYERS, description="Number of layers.")
    min_icc: Share = Field(
        0.0,
        description="Features whose intraclass correlation under perturbed contours is lower, among the training\n"
        "patients of a fold, are left out. 0 for none; otherwise [ct] stability_patients must be set.",
    )
    features: tuple[str, ...] = Field(
        ("*",), min_length=1, description="Features that enter, by name; * matches any text. original_* is robust."
    )
    selected: int = Field(
        0,
        ge=0,
        le=_MOST_FEATURES,
        description="Features that are kept of those: the ones that differ most between patients with and without\n"
        "the outcome, among the training patients of a fold. 0 keeps all, as published.",
    )
    max_correlation: Share = Field(
        1.0,
        description="With selected, a feature whose |correlation| with a stronger one is higher, among the training\n"
        "patients of a fold, is passed over. 1: none is.",
    )
    scale_dropout: Share = Field(
        0.1,
        description="How often one of several known scales is hidden in training, so that a missing scale can be met.",
    )

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        return _known(name, CT_MODELS, "CT model")

    @property
    def image_model(self) -> str:
        """The CT model, where it looks at the image itself; else empty."""
        return self.model if CT_MODELS[self.model].look else ""


class CytoPathSettings(OptimizerSettings):
    """CytoPath: tiles chosen by cell type, pooled to one answer. Cell types and cut-offs are in cytology.toml."""

    aggregator: str = Field(
        "gated-attention", description=f"How tiles are pooled: {', '.join(AGGREGATORS.own)}. Not used with voices."
    )
    cell_type_selection: bool = Field(
        True, description="Whether only tiles that resemble a cell type enter; otherwise every tile does."
    )
    tile_vector: Literal["features", "profile"] = Field(
        "features",
        description="What is pooled of a tile. features: its vector from the encoder. profile: its similarity to each\n"
        "cell type, standardized; few numbers, each with a meaning.",
    )
    voices: tuple[SlideVoice, ...] = Field(
        (),
        description="Linear models on the whole bag, in the place of the aggregator, and the answer is their weighted\n"
        "mean. biomarkers: tissue NLR and differentiation; amounts: ratios of the expected amounts of all cells;\n"
        "profile: mean similarity to each cell type; highest: that of the highest tenth of the tiles; vectors: the\n"
        "mean tile vector. What an encoder does not give is left out.",
    )
    hidden: int = Field(256, ge=1, le=_MOST_UNITS, description="Length of a tile vector after the first layer.")
    attention: int = Field(
        128, ge=1, le=_MOST_UNITS, description="Width of the attention, where the aggregator has one."
    )
    max_tiles: int = Field(
        1000, ge=1, le=_MOST_TILES, description="Most tiles of one patient in a training step, drawn at random."
    )

    @field_validator("aggregator")
    @classmethod
    def _known_aggregator(cls, name: str) -> str:
        return _known(name, AGGREGATORS, "aggregator")


class ESparkSettings(OptimizerSettings):
    """eSPARK: fusion of the slide vector and the CT vector."""

    fusion: str = Field(
        "concatenation",
        description=f"How the vectors are joined: {', '.join(FUSIONS.own)}. Not used in a weighted sum.",
    )
    weighted_sum: bool = Field(
        False,
        description="Whether the answer is a weighted sum of the log-odds of MScaleCT and CytoPath, in the place of\n"
        "the fusion. Both must have voices. The weights are fitted inside each fold; a part that a patient lacks adds\n"
        "nothing.",
    )
    clinical: bool = Field(
        False, description="Whether the clinical columns declared below enter the fusion beside CT and slides."
    )
    ct_learning_rate_factor: Positive = Field(0.01, description="Learning rate of the CT branch, as a factor.")
    slide_learning_rate_factor: Annotated[float, Field(ge=0)] = Field(
        1.0,
        description="Learning rate of the slide branch, which starts from CytoPath, as a factor. 0: it stays as it\n"
        "is, and the fusion is trained in a fraction of the time.",
    )
    projection: int = Field(128, ge=1, le=_MOST_UNITS, description="Length to which each modality's vector is brought.")
    modality_dropout: Share = Field(
        0.2, description="How often one of two modalities is hidden in training, so that CT or slides alone can be met."
    )

    @field_validator("fusion")
    @classmethod
    def _known_fusion(cls, name: str) -> str:
        return _known(name, FUSIONS, "fusion")


class ClinicalSettings(Section):
    """A clinical column of ``cohort.csv``."""

    name: SafeName = Field(description="Name of the column.")
    kind: ClinicalKind = Field("number", description="number or category.")
    unit: str = Field("", description="Unit of a number.")
    missing: tuple[int | float | str, ...] | None = Field(
        None,
        description="Cells that hold no value beside empty ones, such as [999, -9]. In a category, NA, N/A, NaN and\n"
        "NULL count as missing unless this is given.",
    )

    def column(self) -> ClinicalColumn:
        """The same as the house's own type."""
        missing = None if self.missing is None else tuple(map(str, self.missing))
        return ClinicalColumn(self.name, self.kind, self.unit, missing)


class StudyConfig(Section):
    """All settings in ``study.toml``."""

    study: StudySettings = StudySettings()
    ct: CtSettings = CtSettings()
    slides: SlideSettings = SlideSettings()
    protocol: ProtocolSettings = ProtocolSettings()
    mscalect: MScaleCTSettings = MScaleCTSettings()
    cytopath: CytoPathSettings = CytoPathSettings()
    espark: ESparkSettings = ESparkSettings()
    clinical: Annotated[tuple[ClinicalSettings, ...], Field(validate_default=True)] = ()
    ct_features: tuple[FeatureTable, ...] = ()
    slide_features: tuple[SlideFeatureFolder, ...] = ()

    @field_validator("clinical")
    @classmethod
    def _declared(cls, columns: tuple[ClinicalSettings, ...], info: ValidationInfo) -> tuple[ClinicalSettings, ...]:
        fusion = info.data.get("espark")
        if isinstance(fusion, ESparkSettings) and fusion.clinical and not columns:
            raise ValueError("espark.clinical is true, but no clinical column is declared; add a [[clinical]] table")
        study = info.data.get("study")
        if isinstance(study, StudySettings) and study.outcome.column in [column.name for column in columns]:
            raise ValueError(f"'{study.outcome.column}' is the outcome ([study.outcome] column), not a clinical column")
        return columns

    @property
    def clinical_columns(self) -> tuple[ClinicalColumn, ...]:
        """The declared clinical columns."""
        return tuple(entry.column() for entry in self.clinical)

    def fold_seed(self, fold: int) -> int:
        """Seed of the weights of a fold."""
        # Two to the sixteenth is more folds than anybody draws: no two folds of any seed share one.
        return self.study.seed * 65536 + fold


def _known(name: str, registry: Mapping[str, Any], what: str) -> str:
    try:
        known = name in registry
    except PluginError as error:
        raise ValueError(str(error)) from error
    if not known:
        guess = nearest(name, registry)
        hint = f"; did you mean {guess}?" if guess else ""
        outside = "; the names of a plug-in are known once its package is installed"
        more = outside if isinstance(registry, Catalogue) else ""
        raise ValueError(f"unknown {what} '{name}'{hint} (known: {', '.join(registry)}{more})")
    return name


def read_config(path: Path) -> StudyConfig:
    """Read ``study.toml``.

    Raises:
        ConfigError: when the file is missing or is not TOML.
        InputProblems: with every key that is unknown or holds an unusable value.
    """
    config = read_section(path, StudyConfig)
    voiced = [name for name in ("mscalect", "cytopath") if getattr(config, name).voices]
    if len(voiced) != (2 if config.espark.weighted_sum else 0):
        raise ConfigError(
            f"[espark] weighted_sum is {config.espark.weighted_sum}; voices are named under: {voiced or 'no model'}",
            where=path,
            expected="voices under [mscalect] and [cytopath] with weighted_sum = true, or none with false",
            action="Start from `espark init --recipe robust`, or leave the voices empty and weighted_sum out.",
        )
    return config
