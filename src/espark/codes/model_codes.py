"""Codes of the area MODEL."""

from __future__ import annotations

from espark.codes.code import Code

MODEL: tuple[Code, ...] = (
    Code(
        "D-MODEL-001",
        "More than half of the CT features are at the clip",
        "The features that can change the answer are compared with their mean and SD among the development patients. "
        "More than half of them are at least 5 SD away, where values are clipped: the model sees only that they are "
        "extreme. The answer is withheld.",
        "Look at the regions on the page of the patient. Compare scanner, contrast phase, slice thickness and units "
        "with those of the development patients.",
    ),
)
