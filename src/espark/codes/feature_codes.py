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
        "The file links to another file",
        "An HDF5 file can contain links to data in other files. Such a file could read any file of this machine into "
        "the features, so it is refused.",
        "Do not use files of unknown origin. Copy your own data into one file, for example with h5repack.",
    ),
    Code(
        "E-FEATURE-003",
        "The file declares more than it contains",
        "The program that wrote the file stopped halfway, or the file was made to fill the memory on purpose.",
        "Make the features again.",
    ),
    Code(
        "E-FEATURE-004",
        "The file contains something else",
        "Features must be one vector of floating-point numbers for each tile, with coordinates for the same tiles.",
        "Name the folder with features of tiles, not the folder with patches, or with features of slides or patients.",
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
        "A file of STAMP has coordinates in µm. They have no meaning without the size of the tiles.",
        "Make the features again with a current version of STAMP.",
    ),
    Code(
        "E-FEATURE-007",
        "Tiles of different size in one study",
        "Some tiles are larger in µm than others, for example when one half was made at 20× and the other at 10×. The "
        "model would learn the magnification.",
        "Make the features of the named slides again at the magnification of the others.",
    ),
    Code(
        "E-FEATURE-008",
        "Files have unexpected names",
        "Patients or slides have no file, but files without a patient have almost the same name or begin with it.",
        "Rename the files, or name them in the column `slides` of cohort.csv. Separate several names by `;`.",
    ),
    Code(
        "E-FEATURE-009",
        "There are no features for the patients of this study",
        "The folder is missing, contains no .h5 file, or contains no file of a patient of cohort.csv.",
        "Correct `folder` in study.toml. Name each file <patient_id>.h5, or like the slide in cohort.csv.",
    ),
    Code(
        "E-FEATURE-010",
        "Two files contain features of the same slide",
        "espark cannot know which file is right.",
        "Keep one of them.",
    ),
    Code(
        "E-FEATURE-011",
        "A slide that cohort.csv names has no features",
        "The column `slides` names a slide, but no folder named in study.toml contains a file for it.",
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
        "Two files contain exactly the same features. One of them is probably a copy under a wrong name.",
        "Find out which patient the slide belongs to, and make the features of the other patient again.",
    ),
    Code(
        "D-FEATURE-001",
        "The size of the tiles in µm is not known",
        "Neither the files nor `slide_mpp` give the size of a tile, so espark cannot compare the sizes.",
        "Give `slide_mpp` in cohort.csv, or use files that name the magnification, such as those of TRIDENT.",
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
        "Several tiles have the same coordinates. This happens when a program adds to the file of an earlier run.",
        "Delete the file and make the features again.",
    ),
    Code(
        "D-FEATURE-004",
        "Features of tiles are 0 or identical",
        "Such vectors contain no information. They often come from tiles that could not be read.",
        "Look at these tiles, and make the features again.",
    ),
    Code(
        "N-FEATURE-001",
        "Patients without tile features",
        "There is no file for these patients. They are used without slides.",
        "Check that there are really no features for them.",
    ),
    Code(
        "N-FEATURE-002",
        "Files without a patient",
        "These files do not belong to any patient of cohort.csv. They are not used.",
    ),
)
