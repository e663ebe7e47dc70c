"""The name of a slide from the name of a file."""

from __future__ import annotations

from pathlib import Path

_SLIDE_SUFFIXES = (
    ".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm", ".czi", ".qptiff",
    ".isyntax", ".sdpc", ".kfb", ".ome",
)  # fmt: skip


def slide_name(text: str) -> str:
    """The name of a slide from the name of its file, or of a file with its features.

    Example:
        >>> slide_name("090.svs.h5"), slide_name("TCGA-2H-A9GF.6F1B.svs"), slide_name("a.ome.tiff")
        ('090', 'TCGA-2H-A9GF.6F1B', 'a')
    """
    name = Path(text).name
    while (suffix := Path(name).suffix.lower()) in (".h5", ".hdf5", *_SLIDE_SUFFIXES):
        name = name[: -len(suffix)]
    return name
