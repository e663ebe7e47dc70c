"""Codes of the area SLIDE: whole-slide images."""

from __future__ import annotations

from espark.codes.code import Code

SLIDE: tuple[Code, ...] = (
    Code(
        "E-SLIDE-001",
        "The slide cannot be read",
        "The file is missing, damaged, no slide, or a folder that holds several.",
        "Copy or export the slide again, or name the right file in cohort.csv.",
    ),
    Code(
        "E-SLIDE-002",
        "The size of a pixel is not known",
        "The file does not say how many µm a pixel has, or only a screen's or printer's resolution, such as 600 dpi.",
        "Give the resolution as `slide_mpp` in cohort.csv, or with `--slide-mpp`: about 0.5 for 20×, 0.25 for 40×.",
    ),
    Code(
        "E-SLIDE-003",
        "The file contradicts itself about its scale",
        "Objective power and µm per pixel do not belong together, OME-XML and resolution tags differ, or pixels are "
        "not square. With a wrong scale, every nucleus has the wrong size.",
        "Give the full-resolution file. Where only the header is wrong, give the true value as `slide_mpp`.",
    ),
    Code(
        "E-SLIDE-004",
        "The slide is too coarse",
        "Its finest level has more than twice as many µm per pixel as the encoder's tiles, so nuclei have no detail.",
        "Give the full-resolution file.",
    ),
    Code(
        "E-SLIDE-005",
        "No tissue was found",
        "The slide looks like empty glass, or is stained in a way in which tissue is not found.",
        "Check that this is the right file and an H&E slide.",
    ),
    Code(
        "E-SLIDE-006",
        "No tile can be used",
        "There is tissue, but all of it is out of focus, covered by pen, folded, or too small.",
        "Check the slide's focus and resolution, or lower `min_tissue`.",
    ),
    Code(
        "D-SLIDE-001",
        "`slide_mpp` differs strongly from the file",
        "The file says by itself how large a pixel is, so that `slide_mpp` is not used. They differ by more than 20 %.",
        "Compare both with the scanner's settings. Leave `slide_mpp` empty where the file is right. Where the file is "
        "wrong, correct its header.",
    ),
    Code(
        "D-SLIDE-002",
        "`slide_mpp` does not fit the objective",
        "The file names an objective with which no scanner has this resolution.",
        "Compare `slide_mpp` with the scanner's settings.",
    ),
    Code(
        "D-SLIDE-003",
        "Brown staining instead of H&E",
        "Much of the tissue is brown, as of DAB in immunohistochemistry. The models know H&E only.",
        "Give the H&E slide of the patient.",
    ),
    Code(
        "D-SLIDE-004",
        "No eosin",
        "The tissue is bluish without eosin, as the counterstain of immunohistochemistry is.",
        "Give the H&E slide of the patient.",
    ),
    Code(
        "D-SLIDE-005",
        "The stain is pale or faded",
        "Much of what lies on the slide is so pale that it cannot be told from glass, or all of it is hardly stained.",
        "Stain and scan a new section where there is one. Otherwise look at what was taken for tissue in "
        "`prepared/slides`.",
    ),
    Code(
        "D-SLIDE-006",
        "The background is dark",
        "Slides are expected on bright glass; fluorescence has a dark background.",
        "Give the H&E slide of the patient.",
    ),
    Code(
        "N-SLIDE-001",
        "`slide_mpp` differs a little from the file",
        "The file says by itself how large a pixel is, so that `slide_mpp` is not used.",
        "Leave `slide_mpp` empty where the file is right.",
    ),
    Code(
        "N-SLIDE-002",
        "The stain was not normalized",
        "Too few stained tiles were found, or their colors do not fit two dyes, so the tiles keep their own colors.",
        "Look at the slide. Nothing needs to be done where it is simply very small or very pale.",
    ),
    Code(
        "N-SLIDE-003",
        "`slide_mpp` decides",
        "The file contradicts itself about its scale, so that `slide_mpp` is used.",
    ),
)
