"""Codes of the area FEATURE: tile features that CLAM, TRIDENT or STAMP made."""

from __future__ import annotations

from espark.codes.code import Code

FEATURE: tuple[Code, ...] = (
    Code(
        "E-FEATURE-001",
        "The file of tile features cannot be read",
        "It is missing, empty, damaged or not HDF5.",
        "Copy the file again, or make the features again.",
    ),
    Code(
        "E-FEATURE-002",
        "The file leads to another file",
        "An HDF5 file can hold links to other files and data that lie in them. Such a file could bring anything on "
        "this machine into the features, so it is refused.",
        "Do not use files of unknown origin. Copy your own data into one file, for example with h5repack.",
    ),
    Code(
        "E-FEATURE-003",
        "The file declares more than it holds",
        "The program that wrote it stopped halfway, or the file was made to fill the memory.",
        "Make the features again.",
    ),
    Code(
        "E-FEATURE-004",
        "The file holds something else",
        "Features must be one vector of floating-point numbers for each tile, and coordinates must belong to them.",
        "Name the folder with the features of tiles: not that of patches, of whole slides or of patients.",
    ),
    Code(
        "E-FEATURE-005",
        "Features are not finite, or all 0",
        "NaN or infinite numbers come from half precision that overflowed, or from a computation that failed.",
        "Make the features again.",
    ),
    Code(
        "E-FEATURE-006",
        "The size of the tiles is missing",
        "A file of STAMP has coordinates in µm, which mean nothing without the size of the tiles.",
        "Make the features again with a current version of STAMP.",
    ),
    Code(
        "E-FEATURE-007",
        "Tiles of different size in one study",
        "Some tiles are larger in µm than others, as where one half was made at 20× and the other at 10×. The model "
        "would learn the magnification.",
        "Make the features of the named slides again at the magnification of the others.",
    ),
    Code(
        "E-FEATURE-008",
        "Files are called differently than expected",
        "Patients or slides have no file, while files of nobody have nearly their name, or begin with it.",
        "Rename the files, or name them in the column `slides` of cohort.csv, several separated by `;`.",
    ),
    Code(
        "E-FEATURE-009",
        "There are no features of the patients of this study",
        "The folder is missing, holds no .h5 file, or none that belongs to a patient of cohort.csv.",
        "Correct `folder` in study.toml. Files are called <patient_id>.h5, or as the slides in cohort.csv.",
    ),
    Code(
        "E-FEATURE-010",
        "Two files hold features of one slide",
        "It is not known which of them counts.",
        "Keep one of them.",
    ),
    Code(
        "E-FEATURE-011",
        "A slide that cohort.csv names has no features",
        "The column `slides` names a slide of which no folder of study.toml holds a file.",
        "Correct the name, or make the features.",
    ),
    Code(
        "E-FEATURE-012",
        "Different encoders in one study",
        "The vectors have different lengths, or the files name different encoders. Their numbers cannot be compared.",
        "Make all features with one encoder.",
    ),
    Code(
        "E-FEATURE-013",
        "Two patients have the same features",
        "Two files hold exactly the same features. One of them is probably a copy under a wrong name.",
        "Find out whose slide it is, and make the features of the other patient.",
    ),
    Code(
        "D-FEATURE-001",
        "The size of the tiles in µm is not known",
        "Neither the files nor `slide_mpp` tell how large a tile is, so that nobody can check that all are alike.",
        "Give `slide_mpp` in cohort.csv, or use files that name the magnification, as those of TRIDENT do.",
    ),
    Code(
        "D-FEATURE-002",
        "`slide_mpp` does not fit the magnification in the file",
        "No scanner has this resolution at this magnification.",
        "Correct `slide_mpp` in cohort.csv, or leave it empty.",
    ),
    Code(
        "D-FEATURE-003",
        "Tiles appear twice",
        "Several tiles have the same coordinates, as when a program appended to a file of an earlier run.",
        "Delete the file and make the features again.",
    ),
    Code(
        "D-FEATURE-004",
        "Features of tiles are 0 or all alike",
        "Such vectors carry nothing, and often come from tiles that could not be read.",
        "Look at these tiles, and make the features again.",
    ),
    Code(
        "N-FEATURE-001",
        "Patients without tile features",
        "There is no file of these patients, and they are used without slides.",
        "Check that there really are no features.",
    ),
    Code(
        "N-FEATURE-002",
        "Files of nobody",
        "These files belong to no patient of cohort.csv and are not used.",
    ),
)
