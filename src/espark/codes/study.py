"""Codes of the area STUDY."""

from __future__ import annotations

from espark.codes.code import Code

STUDY: tuple[Code, ...] = (
    Code(
        "N-STUDY-001",
        "A development patient has no label",
        "Nothing can be learned from the patient and nothing is predicted, so the patient is set aside.",
        "Enter the outcome in cohort.csv, or give the patient another role.",
    ),
    Code(
        "N-STUDY-002",
        "A patient has neither CT nor slide",
        "Nothing can be predicted for the patient.",
        "Enter a CT or slides in cohort.csv, or leave the patient out.",
    ),
)
