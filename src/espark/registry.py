"""What espark can be asked for, as plain data, listed from here by configuration, command line, docs and tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

UNNAMED = "new-patient"
"""What a new patient is called where nobody gave a name."""


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


@dataclass(frozen=True)
class BiomarkerEntry:
    """A score of the tumor tissue that is made without a model.

    Attributes:
        key: its column in ``explain/biomarkers.csv``.
        title: name in reports and figures.
        favorable: the side on which responders are expected, fixed before any outcome was looked at.
        definition: what it is, in a sentence.
    """

    key: str
    title: str
    favorable: Literal["low", "high"]
    definition: str


BIOMARKERS: dict[str, BiomarkerEntry] = {
    entry.key: entry
    for entry in (
        BiomarkerEntry(
            "nlr", "Tissue NLR", "low",
            "Neutrophils over lymphocytes in the tissue of the slides. It is not the blood NLR.",
        ),
        BiomarkerEntry(
            "differentiation", "Differentiation", "high",
            "Well-differentiated over poorly differentiated tumor cells in the tissue of the slides.",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class RecipeEntry:
    """Settings of the models that belong together, under a name of their own.

    Attributes:
        name: what ``espark init --recipe`` calls it.
        description: what it does and why, in one line.
        values: what differs from the published settings, by section and key of ``study.toml``.
    """

    name: str
    description: str
    values: dict[str, dict[str, object]] = field(default_factory=dict)


RECIPES: dict[str, RecipeEntry] = {
    entry.name: entry
    for entry in (
        RecipeEntry("published", "the settings of the published study"),
        RecipeEntry(
            "lean",
            "for cohorts of a few hundred: ten CT features of the fold's choice, and tiles as profiles of cell types",
            {
                "mscalect": {"features": ("original_*",), "selected": 10},
                "cytopath": {
                    "tile_vector": "profile",
                    "aggregator": "mean",
                    "cell_type_selection": False,
                    "batch_size": 16,
                    "learning_rate": 3e-3,
                },
                "espark": {"slide_learning_rate_factor": 0.0},
            },
        ),
    )
}

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
        dim: length of a feature vector; None when the weights say.
        text: whether it understands prompts; without, there is no cell-type selection.
        cutoffs: where the cut-offs of the cell-type selection come from.
        license: under which terms its weights may be used.
        source: where its weights come from.
        description: one line for ``espark doctor`` and the docs.
        packages: what must be importable.
        install: command that installs them; empty when nothing is needed.
        hub: the model's name on the Hugging Face hub, where ``encoder_path`` may be left empty.
        example: a model of this kind on the hub, for the instructions.
    """

    name: str
    dim: int | None
    text: bool
    cutoffs: Literal["published", "fitted"]
    license: str
    source: str
    description: str
    packages: tuple[str, ...] = ()
    install: str = ""
    hub: str = ""
    example: str = ""


_FOLDER = "a folder of yours ([slides] encoder_path)"

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
        EncoderEntry(
            name="conch",
            dim=512,
            text=True,
            cutoffs="published",
            license="CC BY-NC-ND 4.0, on request",
            source="Hugging Face hub, MahmoodLab/conch",
            description="CONCH ViT-B/16, the encoder of the published study",
            packages=("conch", "timm", "transformers"),
            install="pip install 'espark[conch]' 'conch @ git+https://github.com/mahmoodlab/CONCH'",
            hub="MahmoodLab/conch",
            example="MahmoodLab/conch",
        ),
        EncoderEntry(
            name="clip",
            dim=None,
            text=True,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any CLIP-style model in Hugging Face format, such as PLIP",
            packages=("transformers",),
            install="pip install 'espark[hf]'",
            example="vinid/plip",
        ),
        EncoderEntry(
            name="open-clip",
            dim=None,
            text=True,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any open_clip model with its open_clip_config.json",
            packages=("open_clip", "torchvision"),
            install="pip install 'espark[open-clip]'",
            example="wisdomik/QuiltNet-B-32",
        ),
        EncoderEntry(
            name="hf-vision",
            dim=None,
            text=False,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any vision model in Hugging Face format (ViT, DINOv2)",
            packages=("transformers",),
            install="pip install 'espark[hf]'",
            example="owkin/phikon",
        ),
        EncoderEntry(
            name="timm",
            dim=None,
            text=False,
            cutoffs="fitted",
            license="that of the model",
            source=_FOLDER,
            description="any timm model with its config.json",
            packages=("timm", "torchvision"),
            install="pip install 'espark[timm]'",
            example="MahmoodLab/UNI",
        ),
    )
}


@dataclass(frozen=True)
class StainEntry:
    """A stain normalization.

    Attributes:
        name: name in ``study.toml``.
        description: one line for the docs.
        source: where it was published.
    """

    name: str
    description: str
    source: str


STAINS: dict[str, StainEntry] = {
    entry.name: entry
    for entry in (
        StainEntry("none", "tiles stay as they are", ""),
        StainEntry("macenko", "dyes from the extreme directions of the density", "Macenko et al., ISBI 2009"),
        StainEntry("reinhard", "mean and spread of the color in CIE Lab", "Reinhard et al., IEEE CG&A 21:34, 2001"),
        StainEntry(
            "vahadane", "dyes from a sparse dictionary of the density", "Vahadane et al., IEEE TMI 35:1962, 2016"
        ),
    )
}


@dataclass(frozen=True)
class AggregatorEntry:
    """A way from the tiles of a patient to one answer.

    Attributes:
        name: name in ``study.toml``.
        title: name in reports and figures.
        ordered: whether the order of the tiles matters.
        attention: what its attention is.
        source: where it was published.
    """

    name: str
    title: str
    ordered: bool
    attention: str
    source: str


AGGREGATORS: dict[str, AggregatorEntry] = {
    entry.name: entry
    for entry in (
        AggregatorEntry("gated-attention", "Gated attention", False, "learned weights", "Ilse et al., ICML 2018"),
        AggregatorEntry("mean", "Mean", False, "the same for all tiles", "baseline"),
        AggregatorEntry("max", "Max", False, "all on the tile with the highest log-odds of response", "baseline"),
        AggregatorEntry("clam-sb", "CLAM-SB", False, "learned weights", "Lu et al., Nat Biomed Eng 2021"),
        AggregatorEntry("dsmil", "DSMIL", False, "likeness to the most telling tile", "Li et al., CVPR 2021"),
        AggregatorEntry("transmil", "TransMIL", True, "class token in the last layer", "Shao et al., NeurIPS 2021"),
        AggregatorEntry("transformer", "Set transformer", False, "class token", "Lee et al., ICML 2019"),
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
class FusionEntry:
    """A way from the vectors of CT, slides and clinical values to one answer.

    Attributes:
        name: name in ``study.toml``.
        title: name in reports and figures.
        description: one line for reports and docs.
        source: where it was published.
    """

    name: str
    title: str
    description: str
    source: str


FUSIONS: dict[str, FusionEntry] = {
    entry.name: entry
    for entry in (
        FusionEntry(
            "concatenation", "Concatenation", "the vectors side by side, then a hidden layer",
            "Zhao et al., Cell Rep Med 2025",
        ),
        FusionEntry("late", "Late", "each modality answers by itself; the mean of their logits", "baseline"),
        FusionEntry(
            "gated", "Gated multimodal unit", "a learned gate shares the answer out, unit by unit",
            "Arevalo et al., ICLR workshop 2017",
        ),
        FusionEntry(
            "cross-attention", "Cross-attention", "the tokens of each modality look at those of the others",
            "Vaswani et al., NeurIPS 2017",
        ),
        FusionEntry(
            "tensor", "Tensor product", "every modality by itself and every product of them",
            "Zadeh et al., EMNLP 2017",
        ),
    )
}  # fmt: skip


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
        ModelEntry("cytopath", "CytoPath", ("slides",), "H&E tiles chosen by cell type, pooled to one answer"),
        ModelEntry("espark", "eSPARK", ("ct", "slides"), "fusion of MScaleCT and CytoPath"),
    )
}


@dataclass(frozen=True)
class CtModelEntry:
    """A kind of model on radiomics that `espark ablate --ct` trains on both scales and on each alone.

    Attributes:
        name: name in tables.
        title: name in figures.
        source: where it comes from.
    """

    name: str
    title: str
    source: str


CT_MODELS: dict[str, CtModelEntry] = {
    entry.name: entry
    for entry in (
        CtModelEntry(
            "network",
            "Network (on all scales: MScaleCT)",
            "MScaleCT as study.toml describes it; on both scales it is MScaleCT",
        ),
        CtModelEntry("logistic-l1", "Logistic, L1", "logistic regression with a lasso penalty, features selected"),
        CtModelEntry("logistic-l2", "Logistic, L2", "logistic regression with a ridge penalty, features selected"),
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
