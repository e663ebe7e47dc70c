"""A slide of a scanner (SVS or pyramidal TIFF), written without label, overview and the texts of the scanner.

Tiles are copied as they are compressed, so every pixel of the tissue stays the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tifffile

from espark.deidentify.dicom_images import HeldBack
from espark.deidentify.hidden_texts import clean_frame, clean_icc
from espark.errors import DeidentifyError
from espark.files import atomic_path
from espark.intake.dicom_file import DAMAGED
from espark.pathology.slide import SIMULATED_MARK

SUFFIXES = (".svs", ".tif", ".tiff")

_JPEG = 7
_SCANNERS_OF_TIFF = ("is_ndpi", "is_scn", "is_bif", "is_philips", "is_qpi", "is_ome", "is_ventana")
_NUMBER = r"\s*=\s*(\d+(?:\.\d+)?)\s*(?:\||$)"
_SAME_SHAPE = 0.02
_SMALLEST_SIDE = 64
_ICC, _BLACK_WHITE = 34675, 532
_RESOLUTION_UNIT = 296


def write_clean_slide(source: Path, target: Path) -> tuple[str, ...]:
    """Write the pyramid of a slide, and nothing else of the file.

    Args:
        source: SVS or pyramidal TIFF.
        target: where it is written, with the same suffix.

    Returns:
        What was left out, in words that name nobody.

    Raises:
        DeidentifyError: when it is damaged.
        HeldBack: when it has no pyramid that can be copied.
    """
    try:
        with tifffile.TiffFile(source) as slide:
            if any(getattr(slide, name, False) for name in _SCANNERS_OF_TIFF):
                raise HeldBack("it is a TIFF of a scanner whose texts espark cannot clean")
            levels = _levels(slide)
            with atomic_path(target, flush=False) as temporary, tifffile.TiffWriter(temporary, bigtiff=True) as writer:
                for level in levels:
                    _write(writer, slide, level)
            return (f"{len(slide.pages) - len(levels)} pictures beside the pyramid", "all texts of the scanner")
    except (*DAMAGED, tifffile.TiffFileError) as error:
        raise DeidentifyError(
            f"the slide is damaged ({type(error).__name__})", where=source, code="E-SLIDE-001"
        ) from error


def _levels(slide: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """The pages of the pyramid: tiled, in color, and with the shape of the first one. Labels have other shapes."""
    pages = [page for page in slide.pages if isinstance(page, tifffile.TiffPage)]
    first = pages[0]
    if not first.is_tiled or first.ndim != 3:
        raise HeldBack("its first picture is not the tiled scan of a slide")
    ratio = first.imagewidth / first.imagelength
    return [
        page
        for page in pages
        if page.is_tiled
        and page.ndim == first.ndim
        and min(page.imagewidth, page.imagelength) >= _SMALLEST_SIDE
        and abs(page.imagewidth / page.imagelength / ratio - 1) <= _SAME_SHAPE
        and page.imagewidth <= first.imagewidth
    ]


def _write(writer: tifffile.TiffWriter, slide: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    options: dict[str, Any] = {}
    if page.jpegtables is not None:
        options["jpegtables"] = clean_frame(page.jpegtables)
    if page.compression == _JPEG:
        options |= {"subsampling": page.subsampling, "compressionargs": {"outcolorspace": page.photometric}}
    unit = page.tags.get(_RESOLUTION_UNIT)
    if unit is not None:
        options |= {"resolution": page.get_resolution(), "resolutionunit": unit.value}
    writer.write(
        _tiles(slide, page),
        shape=page.shape,
        dtype=page.dtype,
        tile=page.tile,
        photometric=page.photometric,
        compression=page.compression,
        planarconfig=page.planarconfig,
        description=_description(page),
        subfiletype=page.subfiletype,
        software=False,
        metadata=None,
        extratags=_color_profile(page),
        **options,
    )


def _tiles(slide: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[bytes]:
    for start, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        slide.filehandle.seek(start)
        yield clean_frame(slide.filehandle.read(size)) if size else b""


def _color_profile(page: tifffile.TiffPage) -> list[tuple[Any, ...]]:
    tag = page.tags.get(_ICC)
    if tag is None:
        return []
    try:
        profile = clean_icc(bytes(tag.value))
    except ValueError:
        return []
    return [(_ICC, "B", len(profile), profile, True)]


def _description(page: tifffile.TiffPage) -> str | None:
    """The description again, from its numbers alone. OpenSlide knows a slide of Aperio by the first word."""
    text = page.description
    mark = f"|{SIMULATED_MARK}" if SIMULATED_MARK in text else ""
    if not text.startswith("Aperio"):
        return mark.strip("|") or None
    size = f"{page.imagewidth}x{page.imagelength} ({page.tilewidth}x{page.tilelength})"
    numbers = "".join(
        f"|{name} = {found[1]}"
        for name in ("AppMag", "MPP")
        if (found := re.search(rf"\|\s*{name}{_NUMBER}", text)) is not None
    )
    return f"Aperio Image Library\r\n{size}{numbers}{mark}"
