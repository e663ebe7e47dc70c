"""Codes of the area FILE: what holds for files of every kind."""

from __future__ import annotations

from espark.codes.code import Code

FILE: tuple[Code, ...] = (
    Code(
        "E-FILE-001",
        "A file declares more than it holds",
        "Its header declares much more data than the bytes in the file can hold, even with the best compression. The "
        "file is cut off or damaged, or it was made to fill the memory of the computer.",
        "Copy or export the file again. Do not use it if you do not know where it comes from.",
    ),
    Code(
        "E-FILE-002",
        "A file is too large for this machine",
        "What the file declares needs more than half of the memory that is free, or more than a file of its kind ever "
        "needs. It was refused from its header, before it was read.",
        "If the size is right, use a machine with more memory, or close other programs. If not, export the file again.",
    ),
    Code(
        "E-FILE-003",
        "A file points to another file",
        "The voxels are not in the file itself, but in a second file that its header names. espark reads only the "
        "files that you name, because a header may name any file of the computer.",
        "Save the volume as one file, such as .nii.gz or .nrrd with its data in it.",
    ),
)
