"""Types and short names that the whole package shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]
AnyArray = npt.NDArray[Any]


Role = Literal["development", "internal_test", "external"]
ROLES: tuple[Role, ...] = ("development", "internal_test", "external")

Region = Literal["tumor", "esophagus"]
"""What a person or a program outlines on a CT."""
REGIONS: tuple[Region, ...] = ("tumor", "esophagus")

Outline = Literal["polygon", "line"]
"""Which voxels belong to a contour: those with their centre inside it, or also all through which it runs."""

Scale = Literal["tumor", "esophagus", "peritumoral", "image"]
"""What features are computed from: the outlined regions, the ring around the tumor, and the
image that a CT model of a plug-in receives."""
SCALES: tuple[Scale, ...] = ("tumor", "esophagus", "peritumoral", "image")

Modality = Literal["both", "ct", "slides", "clinical"]
"""What an answer rests on: CT and slides, one of them, or the clinical columns (comparator only)."""

CtVoice = Literal["leading", "ridge", "components"]
"""How a linear voice of MScaleCT sees radiomics: the features with the largest difference between the classes, all
features, or their first principal components."""

SlideVoice = Literal["biomarkers", "amounts", "profile", "highest", "vectors"]
"""What a linear voice of CytoPath sees of a bag: the two biomarkers (`espark.cells.BIOMARKERS`), ratios of the
expected amounts of all cells, mean similarity to each cell type, mean similarity of the highest tenth of the tiles, or
the mean tile vector."""

Unseen = tuple[int, ...]
"""Members of a model that did not see a patient in training, by their number: one for each split into folds."""

Voting = Literal["soft", "majority"]
"""How the members of a model make one call: by their mean probability, or by a vote of the members."""

Calibration = Literal["platt", "anchored"]
"""How answers become probabilities: a logistic function of the logit, its slope free or held near 1."""

Precision = Literal["float32", "bfloat16"]
"""The number format in which a network computes. Its output is always float32."""

ItemState = Literal["done", "failed", "skipped"]

ClinicalKind = Literal["number", "category"]


_ABBREVIATIONS = frozenset({"t", "n", "m", "bmi", "cea", "cps", "ecog", "nlr", "plr"})


def column_title(name: str) -> str:
    """The name of a clinical column for people to read.

    Example:
        >>> column_title("clinical_t"), column_title("blood_nlr"), column_title("age")
        ('clinical T', 'blood NLR', 'age')
    """
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in name.split("_"))


@dataclass(frozen=True)
class ClinicalColumn:
    """A column of ``cohort.csv`` that study.toml declares.

    Attributes:
        name: the column's name.
        kind: ``number`` or ``category``.
        unit: unit of a number, for tables and figures; empty when it has none.
        missing: cells that count as missing, besides empty ones, such as the code 999; None when study.toml gives none.
    """

    name: str
    kind: ClinicalKind
    unit: str = ""
    missing: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        """Its name for people to read."""
        return column_title(self.name)

    def is_missing(self, text: str) -> bool:
        """Whether a cell with this text is missing according to study.toml. Numbers are compared as numbers.

        Example:
            >>> ClinicalColumn("nodes", "number", missing=("999",)).is_missing("999.0")
            True
        """
        return any(text == code or _same_number(text, code) for code in self.missing or ())


def _same_number(text: str, other: str) -> bool:
    try:
        return float(text) == float(other)
    except ValueError:
        return False
