"""Codes of the area SLIDE: whole-slide images."""

from __future__ import annotations

from espark.codes.code import Code

SLIDE: tuple[Code, ...] = (
    Code(
        "E-SLIDE-001",
        "The slide cannot be read",
        "The file is missing, damaged, not a slide, or a folder with several slides.",
        "Copy or export the slide again, or name the right file in cohort.csv.",
    ),
    Code(
        "E-SLIDE-002",
        "The size of a pixel is not known",
        "The file does not give the size of a pixel in µm, or gives only that of a screen or printer (600 dpi).",
        "Give the resolution as `slide_mpp` in cohort.csv, or with `--slide-mpp`: about 0.5 for 20×, 0.25 for 40×.",
    ),
    Code(
        "E-SLIDE-003",
        "The file gives different values for its resolution",
        "Objective power and µm per pixel do not match, OME-XML and resolution tags differ, or pixels are "
        "not square. With a wrong resolution, every nucleus has the wrong size.",
        "Give the full-resolution file. If only the header is wrong, give the true value as `slide_mpp`.",
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
        "The slide looks like empty glass, or espark cannot find tissue in this stain.",
        "Check that this is the right file and an H&E slide.",
    ),
    Code(
        "E-SLIDE-006",
        "No tile can be used",
        "There is tissue, but all of it is out of focus, covered by pen, folded, or too small.",
        "Check the slide's focus and resolution, or lower `min_tissue`.",
    ),
    Code(
        "E-SLIDE-007",
        "All tiles of a slide are left out by a person",
        "The polygons that were drawn on the slide in the workbench leave no tile to look at.",
        "Change the polygons in the workbench, or take the slide out of `cohort.csv`.",
    ),
    Code(
        "D-SLIDE-001",
        "`slide_mpp` differs strongly from the file",
        "The file gives the size of a pixel, so `slide_mpp` is not used. The two values differ by more than 20 %.",
        "Compare both with the scanner's settings. Leave `slide_mpp` empty if the file is right. If the file is wrong, "
        "correct its header.",
    ),
    Code(
        "D-SLIDE-002",
        "`slide_mpp` does not fit the objective",
        "No scanner has this resolution with the objective that the file names.",
        "Compare `slide_mpp` with the scanner's settings.",
    ),
    Code(
        "D-SLIDE-003",
        "Brown staining instead of H&E",
        "Much of the tissue is brown, like DAB in immunohistochemistry. The models were made for H&E only.",
        "Give the H&E slide of the patient.",
    ),
    Code(
        "D-SLIDE-004",
        "No eosin",
        "The tissue is bluish without eosin, like the counterstain in immunohistochemistry.",
        "Give the H&E slide of the patient.",
    ),
    Code(
        "D-SLIDE-005",
        "The stain is pale or faded",
        "Much of the tissue is so pale that it looks like glass, or all of it is hardly stained.",
        "Stain and scan a new section if possible. Otherwise check in `prepared/slides` which parts were found as "
        "tissue.",
    ),
    Code(
        "D-SLIDE-006",
        "The background is dark",
        "espark expects slides on bright glass. Fluorescence has a dark background.",
        "Give the H&E slide of the patient.",
    ),
    Code(
        "D-SLIDE-007",
        "The tissue is not known to the encoder",
        "The tiles lie far from the tissue on which the encoder in the package was fitted. Its cell types and counts "
        "do not hold there, so cell types and biomarkers of the patient are not shown and enter no table.",
        "Look at the stain and the resolution of the slide. If both are right, use an encoder that was fitted on real "
        "tissue (docs/encoders.md).",
    ),
    Code(
        "D-SLIDE-008",
        "Contradictory cell types",
        "In many tiles the encoder counts many lymphocytes and many tumor cells in one place, more often than in "
        "nearly all simulated slides. Probably it mistakes one for the other, so cell types and biomarkers of the "
        "patient are not shown and enter no table.",
        "Look at the slide. If it is very dense with lymphocytes, use an encoder that was fitted on real tissue "
        "(docs/encoders.md).",
    ),
    Code(
        "N-SLIDE-001",
        "`slide_mpp` differs a little from the file",
        "The file gives the size of a pixel, so `slide_mpp` is not used.",
        "Leave `slide_mpp` empty if the file is right.",
    ),
    Code(
        "N-SLIDE-002",
        "The stain was not normalized",
        "Too few stained tiles were found, or their colors do not fit two dyes, so the tiles keep their own colors.",
        "Look at the slide. If it is only very small or very pale, nothing needs to be done.",
    ),
    Code(
        "N-SLIDE-003",
        "`slide_mpp` is used",
        "The file gives different values for its resolution, so `slide_mpp` is used.",
    ),
)
