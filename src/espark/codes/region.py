"""Codes of the area REGION: masks, contours and segments of tumor and esophagus."""

from __future__ import annotations

from espark.codes.code import Code

REGION: tuple[Code, ...] = (
    Code(
        "D-REGION-001",
        "An automatic region is doubtful and was left out",
        "Its size, surroundings or place do not fit an esophagus or a tumor of it, or the segmenter itself doubts it.",
        "Outline the region by hand and give the mask.",
    ),
    Code(
        "N-REGION-001",
        "The regions are automatic",
        "No mask was given, so a segmenter found the regions. Nobody has checked them.",
        "Look at the regions in the report before you rely on them.",
    ),
    Code(
        "N-REGION-002",
        "A remark of the segmenter",
        "What the segmenter says about its own result.",
    ),
    Code(
        "N-REGION-003",
        "The tumor is proposed",
        "Only the esophagus is known. Its part with a thick wall is taken as tumor.",
        'Look at the proposal, or outline the tumor. `[ct] segmenter = "masks"` in study.toml turns proposals off.',
    ),
    Code(
        "N-REGION-004",
        "No tumor is proposed",
        "Only the esophagus is known, and no part of it has a wall thick enough, or what was found is no likely tumor.",
        "Outline the tumor, if there is one to be seen.",
    ),
    Code(
        "N-REGION-005",
        "A region reaches the border of the CT",
        "The region may be cut off there, so its volume and length are those of the visible part.",
        "Use a CT that covers the whole region where there is one.",
    ),
    Code(
        "N-REGION-006",
        "The automatic tumor was left out with the esophagus",
        "The automatic esophagus is doubtful, so a tumor found in it is not trusted either.",
        "Outline the region by hand and give the mask.",
    ),
    Code(
        "N-REGION-007",
        "There is no ring around the tumor",
        "`[ct] ring_mm` asks for a ring, but the tumor is not known or no soft tissue lies around it.",
        "Outline the tumor, or check its place.",
    ),
    Code(
        "N-REGION-008",
        "The ring around the tumor is cut off",
        "The CT ends before the ring does.",
    ),
    Code(
        "N-REGION-009",
        "The CT will be segmented",
        "No mask is given. `espark prepare` will find the regions and judge them; `espark check` only reads the CT.",
        "Look at the regions in the report before you rely on them.",
    ),
)
