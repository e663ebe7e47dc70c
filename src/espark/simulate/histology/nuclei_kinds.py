"""The kinds of nuclei and small cells that are drawn, as plain data.

Sizes are those of paraffin sections, which are a good third smaller than in the living tissue; they and the stain
densities lie in the range measured on real slides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from espark.types import FloatArray


@dataclass(frozen=True)
class Kind:
    """How the nuclei of one kind look.

    Attributes:
        name: name of the kind.
        cell: key of the counted cell type, or None for what is not counted.
        length: mean length of the nucleus, in micrometres.
        width: mean width of the nucleus, in micrometres.
        spread: relative standard deviation of its size.
        density: hematoxylin at the plateau.
        eosin: eosin of the nucleus itself (protein takes it up).
        texture: contrast of the chromatin.
        grain: size of the chromatin clumps, in micrometres.
        membrane: extra density of the rim.
        nucleolus: mean number of nucleoli.
        irregular: relative depth of the outline's bumps.
        pointed: 2 is an ellipse, less is a spindle.
        bend: curvature of spindles, relative.
        cytoplasm: width of the own cytoplasm around the nucleus, in micrometres.
        cytoplasm_stain: hematoxylin and eosin of that cytoplasm.
        cover: how much of the ground below the cytoplasm is covered, 0..1.
        halo: width of a clear ring around the nucleus, in micrometres.
        form: which drawing.
    """

    name: str
    cell: str | None
    length: float
    width: float
    spread: float = 0.10
    density: float = 0.6
    texture: float = 0.2
    grain: float = 0.6
    membrane: float = 0.1
    nucleolus: float = 0.0
    irregular: float = 0.04
    pointed: float = 2.0
    bend: float = 0.0
    cytoplasm: float = 0.0
    cytoplasm_stain: tuple[float, float] = (0.0, 0.0)
    cover: float = 0.0
    halo: float = 0.0
    eosin: float = 0.16
    form: Literal["oval", "lobed", "mitosis", "dust", "red", "streak", "goblet", "eccentric"] = "oval"


KINDS: tuple[Kind, ...] = (
    Kind("lymphocyte", "lymphocyte", 4.2, 3.9, 0.09, 0.80, 0.20, 0.85, 0.12, irregular=0.05,
         cytoplasm=0.7, cytoplasm_stain=(0.08, 0.09), cover=0.8),
    Kind("plasma", "lymphocyte", 4.3, 3.8, 0.08, 0.74, 0.34, 0.85, 0.16, irregular=0.03,
         cytoplasm=1.6, cytoplasm_stain=(0.17, 0.14), cover=0.9, form="eccentric"),
    Kind("neutrophil", "neutrophil", 7.1, 6.7, 0.08, 0.86, 0.10, 0.5,
         cytoplasm_stain=(0.02, 0.15), cover=0.9, form="lobed"),
    Kind("well", "well_differentiated_tumor_cell", 6.6, 5.1, 0.09, 0.32, 0.16, 0.9, 0.18, nucleolus=0.9,
         irregular=0.04),
    Kind("well_rim", "well_differentiated_tumor_cell", 5.8, 4.3, 0.09, 0.46, 0.15, 0.8, 0.14, nucleolus=0.5,
         irregular=0.04),
    Kind("well_halo", "well_differentiated_tumor_cell", 5.2, 4.3, 0.09, 0.40, 0.15, 0.8, 0.15, nucleolus=0.5,
         irregular=0.06, halo=1.6),
    Kind("poor", "poorly_differentiated_tumor_cell", 8.6, 6.5, 0.20, 0.47, 0.24, 1.1, 0.20, nucleolus=1.6,
         irregular=0.06),
    Kind("poor_dark", "poorly_differentiated_tumor_cell", 7.9, 5.6, 0.22, 0.72, 0.16, 1.1, 0.06, nucleolus=0.4,
         irregular=0.075),
    Kind("mitosis", "poorly_differentiated_tumor_cell", 6.5, 2.0, 0.12, 0.95, 0.12, 0.5, irregular=0.10,
         halo=2.6, form="mitosis"),
    Kind("fibroblast", "stromal_cell", 10.7, 2.3, 0.18, 0.52, 0.14, 0.6, 0.06, irregular=0.04, pointed=1.6, bend=0.10),
    Kind("plump", "stromal_cell", 8.8, 4.3, 0.16, 0.26, 0.16, 0.6, 0.16, nucleolus=0.8, irregular=0.05, bend=0.05),
    Kind("muscle", "stromal_cell", 12.2, 2.2, 0.15, 0.40, 0.14, 0.6, 0.08, irregular=0.02, bend=0.03),
    Kind("endothelium", "endothelial_cell", 8.0, 1.7, 0.15, 0.62, 0.12, 0.5, 0.06, irregular=0.04, pointed=1.7,
         bend=0.16),
    Kind("basal", "squamous_cell", 5.6, 3.8, 0.10, 0.56, 0.18, 0.6, 0.14, nucleolus=0.3, irregular=0.03),
    Kind("spinous", "squamous_cell", 5.3, 4.6, 0.09, 0.36, 0.18, 0.6, 0.18, nucleolus=0.7, irregular=0.03),
    Kind("superficial", "squamous_cell", 4.9, 2.1, 0.14, 0.66, 0.10, 0.5, 0.04, irregular=0.04),
    Kind("gland", None, 6.3, 3.7, 0.11, 0.50, 0.18, 0.6, 0.16, nucleolus=0.4, irregular=0.03),
    Kind("goblet", None, 11.0, 8.5, 0.14, 0.05, 0.03, 1.2, cover=0.96, form="goblet"),
    Kind("red", None, 5.6, 5.2, 0.07, 0.40, form="red"),
    Kind("eosinophil", None, 7.3, 6.9, 0.08, 0.80, 0.10, 0.5,
         cytoplasm_stain=(0.02, 0.55), cover=0.95, form="lobed"),
    Kind("dust", None, 5.0, 5.0, 0.25, 0.75, form="dust"),
    Kind("crushed", None, 15.6, 2.9, 0.30, 0.62, 0.2, 1.2, irregular=0.15, pointed=1.3, bend=0.14, form="streak"),
    Kind("poor_pale", "poorly_differentiated_tumor_cell", 8.6, 6.6, 0.17, 0.22, 0.50, 1.0, 0.40, nucleolus=1.4,
         irregular=0.05, eosin=0.06),
    Kind("gland_tall", None, 9.2, 3.6, 0.11, 0.52, 0.16, 0.7, 0.16, nucleolus=0.3, irregular=0.03, eosin=0.12),
    Kind("mucin", None, 18.0, 11.5, 0.12, 0.03, 0.02, 1.6, cover=0.97, form="goblet"),
)  # fmt: skip

KIND_INDEX: dict[str, int] = {kind.name: index for index, kind in enumerate(KINDS)}

RED = KIND_INDEX["red"]
"""Index of the red cells, whose color is that of hemoglobin."""

RADIUS_UM: FloatArray = np.array([np.sqrt(k.length * k.width) / 2 + k.cytoplasm for k in KINDS], np.float32)
"""Radius of a disc as large as the cell's stamp, for every kind."""
