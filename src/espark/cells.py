"""The biology that espark asks about: cell types, their groups, biomarkers, and the prompts around a cell's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CellType:
    """A cell type the text encoder is asked about.

    Attributes:
        key: snake_case name used in every file.
        name: name in running text, as used in the prompts.
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


COUNTED_CELLS: tuple[str, ...] = (
    "lymphocyte",
    "neutrophil",
    "well_differentiated_tumor_cell",
    "poorly_differentiated_tumor_cell",
    "stromal_cell",
    "endothelial_cell",
    "squamous_cell",
)
"""The virtual trial writes the true number of these cells per tile (``truth/tiles``: ``n_<key>``)."""

COUNTED_AS: dict[str, tuple[str, ...]] = {
    **{cell: (cell,) for cell in COUNTED_CELLS},
    "immune_cell": ("lymphocyte", "neutrophil"),
    "tumor_cell": ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
    "squamous_cell_carcinoma": ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
}
"""The counted cells that belong to each cell type."""

CELL_GROUPS: dict[str, tuple[str, ...]] = {
    "major": ("stromal_cell", "immune_cell", "squamous_cell", "tumor_cell", "endothelial_cell"),
    "immune": ("neutrophil", "lymphocyte"),
    "tumor": ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
}
"""Groups within which the share of a cell type is computed. They were fixed before any outcome was known."""


Side = Literal["low", "high"]
"""A side of the cut-off of a biomarker."""


@dataclass(frozen=True)
class BiomarkerEntry:
    """A score of the tumor tissue that is computed without a model.

    Attributes:
        key: its column in ``explain/biomarkers.csv``.
        title: name in reports and figures.
        favorable: the side on which a good outcome is expected, fixed before any outcome was known.
        ratio: keys of the two cell types whose amounts it compares.
        definition: what it is, in a sentence.
    """

    key: str
    title: str
    favorable: Side
    ratio: tuple[str, str]
    definition: str

    def expected_side(self, *, adverse: bool) -> Side:
        """The side on which the outcome of a study is expected. A bad outcome is expected on the opposite side."""
        other: Side = "high" if self.favorable == "low" else "low"
        return other if adverse else self.favorable


BIOMARKERS: dict[str, BiomarkerEntry] = {
    entry.key: entry
    for entry in (
        BiomarkerEntry(
            "nlr", "Tissue NLR", "low", ("neutrophil", "lymphocyte"),
            "Neutrophils over lymphocytes in the tissue of the slides. It is not the blood NLR.",
        ),
        BiomarkerEntry(
            "differentiation", "Differentiation", "high",
            ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
            "Well-differentiated over poorly differentiated tumor cells in the tissue of the slides.",
        ),
    )
}  # fmt: skip

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
