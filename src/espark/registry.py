"""What espark can be asked for, as plain data, listed from here by configuration, command line, docs and tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class CellType:
    """A cell type the text encoder is asked about.

    Attributes:
        key: snake_case name used in every file.
        name: name in running text, as it stands in the prompts.
        conch_cutoff: similarity above which a tile enters the bag with the CONCH encoder (published scripts).
    """

    key: str
    name: str
    conch_cutoff: float


CELL_TYPES: tuple[CellType, ...] = (
    CellType("stromal_cell", "stromal cell", 0.286),
    CellType("immune_cell", "immune cell", 0.275),
    CellType("squamous_cell", "squamous cell", 0.462),
    CellType("squamous_cell_carcinoma", "squamous cell carcinoma", 0.441),
    CellType("tumor_cell", "tumor cell", 0.372),
    CellType("neutrophil", "neutrophil", 0.412),
    CellType("lymphocyte", "lymphocyte", 0.227),
    CellType("well_differentiated_tumor_cell", "well-differentiated tumor cell", 0.318),
    CellType("poorly_differentiated_tumor_cell", "poorly differentiated tumor cell", 0.373),
    CellType("endothelial_cell", "endothelial cell", 0.298),
)

CELL_TYPE_KEYS: tuple[str, ...] = tuple(cell_type.key for cell_type in CELL_TYPES)

COUNTED_CELLS: tuple[str, ...] = (
    "lymphocyte",
    "neutrophil",
    "well_differentiated_tumor_cell",
    "poorly_differentiated_tumor_cell",
    "stromal_cell",
    "endothelial_cell",
    "squamous_cell",
)
"""Cells whose true number per tile the virtual trial writes (``truth/tiles``: ``n_<key>``)."""

CELL_GROUPS: dict[str, tuple[str, ...]] = {
    "major": ("stromal_cell", "immune_cell", "squamous_cell", "tumor_cell", "endothelial_cell"),
    "immune": ("neutrophil", "lymphocyte"),
    "tumor": ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
}
"""Groups within which the share of a cell type is taken. Fixed before any outcome was looked at."""

PROMPT_TEMPLATES: tuple[str, ...] = (
    "{}",
    "a {}",
    "{} present",
    "{} seen",
    "there is {}",
    "this is {}",
    "an image of {}",
    "an image showing {}",
    "an example of {}",
    "a photomicrograph of {}",
    "a photomicrograph showing {}",
    "histology of {}",
    "histopathology of {}",
    "histopathology showing {}",
    "H&E of {}",
    "H&E stain of {}",
    "H&E image of {}",
    "H&E image showing {}",
    "H&E slide with {}",
    "a tissue tile with {}",
    "tissue with {}",
    "a microscopic view of {}",
)
"""22 short sentences around a cell's name. A type's text embedding is the mean over them."""


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder that turns tiles (and perhaps words) into vectors.

    Attributes:
        name: name in ``study.toml``.
        dim: length of a feature vector.
        text: whether it understands prompts; without, there is no cell-type selection.
        cutoffs: where the cut-offs of the cell-type selection come from.
        license: under which terms its weights may be used.
        source: where its weights come from.
        description: one line for ``espark doctor`` and the docs.
    """

    name: str
    dim: int
    text: bool
    cutoffs: Literal["published", "fitted"]
    license: str
    source: str
    description: str


ENCODERS: dict[str, EncoderEntry] = {
    entry.name: entry
    for entry in (
        EncoderEntry(
            name="espark-mini",
            dim=256,
            text=True,
            cutoffs="fitted",
            license="MIT",
            source="embedded in the package",
            description="small vision-language encoder, fitted on simulated tiles with captions",
        ),
    )
}


@dataclass(frozen=True)
class SegmenterEntry:
    """A way to find the regions of patients of whom no mask is given.

    Attributes:
        name: name in ``study.toml``.
        finds: the regions it looks for; a tumor that it does not look for is proposed by the thickness of the wall.
        package: the package that must be installed for it; empty when there is none.
        license: under which terms its weights may be used.
        source: where its weights come from.
        description: one line for ``espark doctor`` and the docs.
    """

    name: str
    finds: tuple[str, ...]
    package: str
    license: str
    source: str
    description: str


SEGMENTERS: dict[str, SegmenterEntry] = {
    entry.name: entry
    for entry in (
        SegmenterEntry(
            name="espark-mini-seg",
            finds=("esophagus", "tumor"),
            package="",
            license="MIT",
            source="embedded in the package",
            description="small 3-D U-Net, fitted on real necks and simulated chests",
        ),
        SegmenterEntry(
            name="totalsegmentator",
            finds=("esophagus",),
            package="totalsegmentator",
            license="Apache-2.0",
            source="a local folder that TotalSegmentator's own command has filled",
            description="TotalSegmentator's esophagus",
        ),
        SegmenterEntry(
            name="nnunet",
            finds=("esophagus", "tumor"),
            package="nnunetv2",
            license="the user's",
            source="a local folder with a trained nnU-Net v2 model",
            description="a user's own nnU-Net, whose labels are named esophagus or tumor",
        ),
        SegmenterEntry(
            name="masks",
            finds=(),
            package="",
            license="",
            source="none",
            description="masks given by the user only; a patient without any is an error",
        ),
    )
}


@dataclass(frozen=True)
class ModelEntry:
    """A model that a study trains.

    Attributes:
        name: folder and file name in the study.
        title: name in reports.
        modalities: what it looks at.
        description: one line for reports and docs.
    """

    name: str
    title: str
    modalities: tuple[Literal["ct", "slides", "clinical"], ...]
    description: str


MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("clinical", "Clinical columns", ("clinical",), "logistic regression on clinical columns"),
        ModelEntry("mscalect", "MScaleCT", ("ct",), "radiomics of tumor and esophagus"),
        ModelEntry("cytopath", "CytoPath", ("slides",), "H&E tiles chosen by cell type, pooled by attention"),
        ModelEntry("espark", "eSPARK", ("ct", "slides"), "fusion of MScaleCT and CytoPath"),
    )
}


@dataclass(frozen=True)
class ImageType:
    """A filtered version of the CT from which PyRadiomics computes features.

    Attributes:
        name: name in ``study.toml`` and in PyRadiomics.
        settings: settings handed to PyRadiomics.
    """

    name: str
    settings: dict[str, object] = field(default_factory=dict)


IMAGE_TYPES: dict[str, ImageType] = {
    entry.name: entry
    for entry in (
        ImageType("Original"),
        ImageType("Wavelet"),
        ImageType("LoG", {"sigma": [1.0, 2.0, 3.0, 4.0, 5.0]}),
        ImageType("Square"),
        ImageType("SquareRoot"),
        ImageType("Logarithm"),
        ImageType("Exponential"),
        ImageType("Gradient"),
        ImageType("LBP2D"),
        ImageType("LBP3D"),
    )
}
