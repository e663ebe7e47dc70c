"""Codes of the area SLIDE: whole-slide images."""

from __future__ import annotations

from espark.codes.code import Code

SLIDE: tuple[Code, ...] = (
    Code(
        "N-SLIDE-001",
        "The given resolution differs from that of the file",
        "`slide_mpp` in cohort.csv is used, although the file itself gives another size of a pixel.",
        "Compare both with the scanner's settings. Leave `slide_mpp` empty where the file is right.",
    ),
    Code(
        "N-SLIDE-002",
        "The stain was not normalized",
        "Too few stained tiles were found, or their colors do not fit two dyes, so the tiles keep their own colors.",
        "Look at the slide. Nothing needs to be done where it is simply very small or very pale.",
    ),
)
