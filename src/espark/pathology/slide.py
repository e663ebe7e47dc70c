"""Whole slides through OpenSlide: resolution, overview and tiles, always in level-0 coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import openslide
import torch
from PIL import Image
from pydicom.uid import VLWholeSlideMicroscopyImageStorage
from torch.nn import functional

from espark.errors import SlideError
from espark.intake.budget import require_room
from espark.intake.dicom_file import DAMAGED, open_dicom
from espark.notes import Note
from espark.pathology.resolution.plausible_mpp import implausible_mpp, is_plausible_mpp
from espark.pathology.resolution.slide_resolution import choose_resolution
from espark.types import ByteArray

_LEVEL_TOLERANCE = 1.01
_BLOCK_PX = 2048
_OVERVIEW_COPIES = 20  # the picture, its optical densities and masks
_TILE_COPIES = 4
_SPARSE = 2000  # JPEG packs 20 to 200 times, and scanners leave out parts without tissue
OVERVIEW_MPP = 8.0
"""µm per pixel of the overview in which tissue is searched."""
_ALIGNED = 1e-3
"""A smaller share of a pixel is ignored."""
SIMULATED_MARK = "ESPARK SIMULATED"


class Slide:
    """An open slide. Make it with `open_slide`; it is a context manager.

    Reading is safe from several threads.

    Attributes:
        path: the slide's file.
        mpp: µm per level-0 pixel.
        dimensions: width and height in level-0 pixels.
        bounds_origin: level-0 pixel at which the scanned part begins; viewers such as QuPath call it (0, 0).
        simulated: whether the virtual trial drew it.
        notes: notes for the reader of the report about how the slide was read.
    """

    def __init__(self, handle: openslide.OpenSlide, path: Path, *, mpp: float, notes: tuple[Note, ...] = ()):
        self._handle = handle
        self.path = path
        self.mpp = mpp
        self.notes = notes
        self.dimensions: tuple[int, int] = handle.dimensions
        properties = handle.properties
        self.bounds_origin = (
            int(properties.get(openslide.PROPERTY_NAME_BOUNDS_X, 0)),
            int(properties.get(openslide.PROPERTY_NAME_BOUNDS_Y, 0)),
        )
        self.simulated = any(SIMULATED_MARK in handle.properties.get(key, "") for key in _DESCRIPTIONS)
        self._downsamples: tuple[float, ...] = handle.level_downsamples

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def handle(self) -> openslide.OpenSlide:
        """The open file, for readers that OpenSlide brings along, such as its deep-zoom pyramid."""
        return self._handle

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def thumbnail(self, max_px: int) -> tuple[ByteArray, float]:
        """A small picture of the whole slide.

        Args:
            max_px: longest side of the picture in pixels. A slide that is smaller is not enlarged.

        Returns:
            The picture, uint8 (height, width, 3), and its µm per pixel.

        Raises:
            SlideError: when the file cannot be read completely.
        """
        return self.overview(self.mpp * max(1.0, max(self.dimensions) / max_px))

    def overview(self, um_per_px: float) -> tuple[ByteArray, float]:
        """The whole slide at about ``um_per_px``, never enlarged, read in blocks so that memory stays small.

        Returns:
            The picture, uint8 (height, width, 3), and its exact µm per pixel along the longer side.

        Raises:
            SlideError: when the file cannot be read completely.
        """
        width, height = self.dimensions
        factor = max(1.0, um_per_px / self.mpp)
        out_w, out_h = max(1, round(width / factor)), max(1, round(height / factor))
        step_x, step_y = width / out_w, height / out_h
        block = max(1, int(_BLOCK_PX / max(1.0, factor / self._downsamples[self._level_for(factor)])))
        picture = np.empty((out_h, out_w, 3), dtype=np.uint8)
        for top in range(0, out_h, block):
            for left in range(0, out_w, block):
                rows, columns = min(block, out_h - top), min(block, out_w - left)
                extent = (left * step_x, top * step_y, columns * step_x, rows * step_y)
                picture[top : top + rows, left : left + columns] = self._read(extent, (columns, rows))
        return picture, self.mpp * max(width, height) / max(out_w, out_h)

    def read_tile(self, x: float, y: float, size_level0: float, tile_px: int) -> ByteArray:
        """A square tile, resampled with antialiasing from the best pyramid level.

        Args:
            x: left edge in level-0 pixels.
            y: top edge in level-0 pixels.
            size_level0: side in level-0 pixels.
            tile_px: side of the result in pixels.

        Returns:
            uint8 (tile_px, tile_px, 3). Parts outside the slide or never scanned are white.

        Raises:
            SlideError: when this part of the file cannot be read.
        """
        return self._read((x, y, size_level0, size_level0), (tile_px, tile_px))

    def read_tiles(self, corners: Sequence[tuple[float, float]], size_level0: float, tile_px: int) -> ByteArray:
        """Square tiles of one size: the same result as `read_tile` for each tile, but faster.

        Args:
            corners: left and top edge of each tile in level-0 pixels.
            size_level0: side in level-0 pixels.
            tile_px: side of the results in pixels.

        Returns:
            uint8 (n, tile_px, tile_px, 3).

        Raises:
            SlideError: when one of them cannot be read.
        """
        tiles = np.empty((len(corners), tile_px, tile_px, 3), dtype=np.uint8)
        together: dict[tuple[int, int], list[tuple[int, _Part]]] = {}
        for row, (x, y) in enumerate(corners):
            part = self._part((x, y, size_level0, size_level0), (tile_px, tile_px))
            if part.from_corner:
                together.setdefault(part.picture.size, []).append((row, part))
            else:
                tiles[row] = part.resampled((tile_px, tile_px))
        for parts in together.values():
            stack = np.stack([np.asarray(part.picture) for _, part in parts])
            _, first = parts[0]
            rows = [row for row, _ in parts]
            tiles[rows] = _resampled_from_corner(stack, first.box[2], first.box[3], (tile_px, tile_px))
        return tiles

    def _level_for(self, downsample: float) -> int:
        """The smallest level that still has at least the wanted resolution (level 0 when no other level has it)."""
        fitting = [level for level, factor in enumerate(self._downsamples) if factor <= downsample * _LEVEL_TOLERANCE]
        return max(fitting, key=lambda level: self._downsamples[level]) if fitting else 0

    def _read(self, extent: tuple[float, float, float, float], size: tuple[int, int]) -> ByteArray:
        """Resample ``extent`` (x, y, width, height in level-0 pixels) to ``size`` (width, height)."""
        return self._part(extent, size).resampled(size)

    def _part(self, extent: tuple[float, float, float, float], size: tuple[int, int]) -> _Part:
        """The part to be resampled to ``size``, from the best level."""
        x, y, width, height = extent
        level = self._level_for(min(width / size[0], height / size[1]))
        factor = self._downsamples[level]
        left, top = math.floor(x / factor + 1e-6), math.floor(y / factor + 1e-6)
        right, bottom = math.ceil((x + width) / factor - 1e-6), math.ceil((y + height) / factor - 1e-6)
        try:
            region = self._handle.read_region(
                (round(left * factor), round(top * factor)), level, (right - left, bottom - top)
            )
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"the file is cut off or damaged near pixel ({x:.0f}, {y:.0f}): {error}",
                where=self.path,
                action="Copy or export the slide again.",
                code="E-SLIDE-001",
            ) from error
        box = (x / factor - left, y / factor - top, (x + width) / factor - left, (y + height) / factor - top)
        return _Part(_on_white(region), box)


@dataclass(frozen=True)
class _Part:
    """A picture of whole pixels, and the requested box in it (left, top, right, bottom)."""

    picture: Image.Image
    box: tuple[float, float, float, float]

    @property
    def from_corner(self) -> bool:
        """Whether the box begins at a whole pixel."""
        return max(abs(self.box[0]), abs(self.box[1])) < _ALIGNED

    def resampled(self, size: tuple[int, int]) -> ByteArray:
        """The box at ``size`` (width, height)."""
        left, top, right, bottom = self.box
        if self.from_corner:
            (whole,) = _resampled_from_corner(np.asarray(self.picture)[None], right, bottom, size)
            return np.asarray(whole)
        inside = (max(0.0, left), max(0.0, top), min(right, self.picture.width), min(bottom, self.picture.height))
        return np.asarray(self.picture.resize(size, Image.Resampling.BICUBIC, box=inside))


_DICOM_TAGS = ("SOPClassUID", "SeriesInstanceUID", "ImageType")
_DESCRIPTIONS = ("tiff.ImageDescription", "openslide.comment")


def open_slide(path: Path, *, mpp: float | None = None) -> Slide:
    """Open a slide: SVS, NDPI, MRXS, SCN, pyramidal TIFF, DICOM (a file, or the folder of one slide).

    The resolution comes from the file. If the file gives none or contradicts itself, the given resolution is used.

    Args:
        path: the slide.
        mpp: µm per level-0 pixel.

    Raises:
        SlideError: when the file is missing or not a slide, when neither file nor user gives a resolution, or when the
            file contradicts itself and no resolution is given.
    """
    if mpp is not None and not is_plausible_mpp(mpp):
        raise implausible_mpp(mpp, where=path)
    handle = _open(path)
    try:
        chosen, notes = choose_resolution(path, handle.properties, handle.dimensions, mpp)
        _check_size(path, handle, chosen)
    except SlideError:
        handle.close()
        raise
    return Slide(handle, path, mpp=chosen, notes=notes)


def _check_size(path: Path, handle: openslide.OpenSlide, mpp: float) -> None:
    """Refuse a slide of more pixels than its files can hold, or whose overview or tiles would not fit into memory."""
    pixels = 3 * math.prod(handle.dimensions)
    require_room(pixels, where=path, stored=_stored(path), packing=_SPARSE, copies=0, error=SlideError)
    width, height = (side * mpp / OVERVIEW_MPP for side in handle.dimensions)
    require_room(round(3 * width * height), where=path, copies=_OVERVIEW_COPIES, error=SlideError)
    for level in range(handle.level_count):
        sides = [handle.properties.get(f"openslide.level[{level}].tile-{side}", "0") for side in ("width", "height")]
        require_room(4 * math.prod(map(int, sides)), where=path, copies=_TILE_COPIES, error=SlideError)


def _stored(path: Path) -> int:
    """Bytes of all files of a slide. The instances of a DICOM slide lie in one folder."""
    parts = [path.parent] if path.suffix.lower() == ".dcm" else slide_files(path)
    files = (file for part in parts for file in (part.rglob("*") if part.is_dir() else [part]))
    return sum(file.stat().st_size for file in files if file.is_file())


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files and folders of a slide. An MRXS slide keeps its pixels in a folder with the same name."""
    beside = path.with_suffix("")
    return (path, beside) if path.suffix.lower() == ".mrxs" and beside.is_dir() else (path,)


def _open(path: Path) -> openslide.OpenSlide:
    if not path.exists():
        raise SlideError(
            "the slide is missing", where=path, action="Correct its path in cohort.csv.", code="E-SLIDE-001"
        )
    try:
        return openslide.OpenSlide(_entry(path))
    except openslide.OpenSlideUnsupportedFormatError as error:
        raise SlideError(
            "this is not a readable slide",
            where=path,
            expected="SVS, NDPI, MRXS, SCN, pyramidal TIFF or DICOM whole-slide images",
            action="Check that the file is complete, and not an archive or a shortcut.",
            code="E-SLIDE-001",
        ) from error
    except openslide.OpenSlideError as error:
        raise SlideError(
            f"the slide is damaged ({error})", where=path, action="Copy or export the slide again.", code="E-SLIDE-001"
        ) from error


def _entry(path: Path) -> Path:
    """The file for OpenSlide. One DICOM file represents its series; OpenSlide finds the other files beside it."""
    if not path.is_dir():
        return path
    series: dict[str, list[tuple[bool, Path]]] = {}
    for file in sorted(file for file in path.iterdir() if file.is_file()):
        try:
            header = open_dicom(file, SlideError, stop_before_pixels=True, specific_tags=list(_DICOM_TAGS))
            is_slide = header.get("SOPClassUID") == VLWholeSlideMicroscopyImageStorage
            beside_tissue = "VOLUME" not in (header.get("ImageType") or ())
            uid = str(header.get("SeriesInstanceUID"))
        except DAMAGED:
            continue
        if is_slide:
            series.setdefault(uid, []).append((beside_tissue, file))
    if not series:
        raise SlideError(
            "the folder holds no DICOM slide", where=path, expected="the instances of one slide", code="E-SLIDE-001"
        )
    if len(series) > 1:
        raise SlideError(
            f"the folder holds {len(series)} DICOM slides",
            where=path,
            expected="one slide per folder",
            action="Give each slide a separate folder, or name one file of each slide, separated by ';'.",
            code="E-SLIDE-001",
        )
    (instances,) = series.values()
    return min(instances)[1]


def _resampled_from_corner(pictures: ByteArray, width: float, height: float, size: tuple[int, int]) -> ByteArray:
    """The upper left ``width`` × ``height`` pixels of pictures at ``size``: as Pillow's resize (± 1), but faster.

    torch computes it. Boxes that begin inside a pixel are left to Pillow, because torch does not support them.

    Args:
        pictures: uint8 (n, h, w, 3).
        width: width of the part, in pixels.
        height: height of the part, in pixels.
        size: width and height of the results.

    Returns:
        uint8 (n, size[1], size[0], 3).
    """
    whole = pictures.shape[1:3] == size[::-1] and abs(width - size[0]) < _ALIGNED and abs(height - size[1]) < _ALIGNED
    if whole:
        return pictures
    planes = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)  # same memory order: fast path of torch
    # torch rounds down. A tiny addition avoids losing one pixel when the size is a whole number.
    scale = (size[1] / height * (1 + 1e-6), size[0] / width * (1 + 1e-6))
    enlarged = functional.interpolate(planes, scale_factor=scale, mode="bicubic", antialias=True)
    return np.ascontiguousarray(enlarged[..., : size[1], : size[0]].permute(0, 2, 3, 1).numpy())


def _on_white(region: Image.Image) -> Image.Image:
    """RGB picture on white. OpenSlide leaves unscanned parts transparent."""
    if region.mode != "RGBA" or region.getchannel("A").getextrema() == (255, 255):
        return region.convert("RGB")
    white = Image.new("RGBA", region.size, "white")
    white.alpha_composite(region)
    return white.convert("RGB")
