"""Masks that hold several regions, found by label number or by the names that common programs write.

Names come from the header of a 3D Slicer segmentation (``.seg.nrrd``), from the label table that TotalSegmentator puts
into the header of a NIfTI file, or from the ``dataset.json`` that nnU-Net writes beside its masks.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from espark.ct.files.nifti import image_file_kind
from espark.ct.grid import describe_grid, onto_grid, padded_onto_grid, volume_ml
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.labels import Label, find_label, listed
from espark.errors import RegionError
from espark.intake.streams import read_settings_text
from espark.types import AnyArray, BoolArray, Region

_NIFTI1_SIZEOF = 348
_NIFTI1_END = 352
_MOST_HEADER_BYTES = 1 << 22
_LABEL_ENTRY = re.compile(
    r'<Label\b[^>]*?\bKey="(?P<number>\d+)"[^>]*>\s*(?:<!\[CDATA\[(?P<data>.*?)\]\]>|(?P<text>[^<]*))\s*</Label>',
    re.DOTALL,
)
_SEGMENT_KEY = re.compile(r"Segment(\d+)_LabelValue")
_MANY = 12


@dataclass(frozen=True)
class _Named:
    """A name for one or more label numbers of a layer."""

    name: str
    numbers: tuple[int, ...]
    layer: int = 0


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A mask file on the grid of the CT.

    Attributes:
        path: the file.
        layers: voxels (z, y, x); regions that overlap are in separate layers.
        named: the names from the file, or from the file beside it.
        spacing_mm: size of a voxel along x, y and z.
    """

    path: Path
    layers: tuple[AnyArray, ...]
    named: tuple[_Named, ...]
    spacing_mm: tuple[float, float, float]

    def only(self, region: Region) -> BoolArray:
        """Mask (z, y, x) of the only region in the file.

        Raises:
            RegionError: when it holds no region, several regions, or fractions.
        """
        values = [(layer, value) for layer, voxels in enumerate(self.layers) for value in _values(voxels)]
        if not values:
            raise RegionError(
                f"the {region} mask is empty",
                where=self.path,
                expected="at least one voxel that is not 0",
                action="Draw the region, or leave the mask out. The scale is then treated as missing.",
                code="E-REGION-002",
            )
        numbers = [value for _, value in values]
        if not np.isfinite(numbers).all() or (len(numbers) > 1 and not _whole(np.array(numbers))):
            raise RegionError(
                f"the {region} mask holds several fractions ({_shown(numbers)})",
                where=self.path,
                expected="0 outside and one other value inside",
                action="Save it with nearest-neighbor interpolation, or cut it at one half.",
                code="E-REGION-007",
            )
        if len(values) > 1:
            raise RegionError(
                f"the {region} mask holds several labels ({_shown(numbers)})",
                where=self.path,
                expected=f"one label, or the name of one of: {listed([label for label, _ in self._regions()])}",
                action=f"Give the number or name of the {region} as {region}_roi.",
                code="E-REGION-006",
            )
        layer, _ = values[0]
        inside: BoolArray = self.layers[layer] != 0
        return inside

    def region(self, wanted: str) -> BoolArray:
        """Mask (z, y, x) of the region with this name or, if no name matches, with this label number.

        Raises:
            RegionError: when there is no such region, or it has no voxel.
        """
        if not all(_whole(voxels) for voxels in self.layers):
            raise RegionError(
                "a region is named, but the voxels hold fractions",
                where=self.path,
                expected="whole numbers, one for each region",
                action="Save the mask with nearest-neighbor interpolation.",
                code="E-REGION-007",
            )
        regions = self._regions()
        _, named = regions[find_label([label for label, _ in regions], wanted, where=self.path)]
        inside: BoolArray = np.isin(self.layers[named.layer], named.numbers)
        if not inside.any():
            raise RegionError(
                f"the region {wanted} is empty",
                where=self.path,
                expected=f"one of: {listed([label for label, _ in regions])}",
                action="Draw the region, or name a different one.",
                code="E-REGION-002",
            )
        return inside

    def _regions(self) -> list[tuple[Label, _Named]]:
        """All labels that have a name or a voxel, by layer and number."""
        counts = [dict(zip(*np.unique(voxels, return_counts=True), strict=True)) for voxels in self.layers]
        known = {(named.layer, named.numbers[0]) for named in self.named if len(named.numbers) == 1}
        nameless = [
            _Named("", (int(number),), layer)
            for layer, found in enumerate(counts)
            for number in found
            if number != 0 and (layer, int(number)) not in known
        ]
        regions = []
        for named in sorted([*self.named, *nameless], key=lambda named: (named.layer, named.numbers)):
            voxels = sum(int(counts[named.layer].get(number, 0)) for number in named.numbers)
            number = named.numbers[0] if len(named.numbers) == 1 else None
            regions.append((Label(number, named.name, volume_ml(voxels, self.spacing_mm)), named))
        return regions


def read_label_map(path: Path, image: sitk.Image, ct: CtVolume) -> LabelMap:
    """A mask file on the grid of the CT, with the names of its labels.

    A segmentation of 3D Slicer may be cropped to its segments; the rest is filled with background. Any other mask must
    have the size of the CT.

    Args:
        path: the file.
        image: the image in the file, one component per layer.
        ct: the CT on which it was drawn.

    Raises:
        RegionError: when it has a different grid, or a file with names cannot be read.
    """
    segments = _slicer_segments(image)
    layers = [image]
    if image.GetNumberOfComponentsPerPixel() > 1:
        if not segments:
            raise RegionError(
                "the file holds a color or vector image",
                where=path,
                expected="one value in each voxel",
                code="E-REGION-009",
            )
        layers = [sitk.VectorIndexSelectionCast(image, n) for n in range(image.GetNumberOfComponentsPerPixel())]
    voxels = tuple(on_grid_of(ct, layer, path, cropped=bool(segments)) for layer in layers)
    named = segments or tuple(_names_of(path))
    if any(entry.layer >= len(voxels) for entry in named):
        raise RegionError(
            "a segment is in a layer that does not exist", where=path, action="Export it again.", code="E-REGION-009"
        )
    return LabelMap(path, voxels, named, ct.spacing_mm)


def on_grid_of(ct: CtVolume, image: sitk.Image, path: Path, *, cropped: bool = False) -> AnyArray:
    """Voxels (z, y, x) of a mask in the storage order of the CT.

    Args:
        ct: the CT.
        image: the mask.
        path: its file, for the error.
        cropped: whether it may be smaller than the CT.

    Raises:
        RegionError: when the grids differ.
    """
    fitted = padded_onto_grid(image, ct.image) if cropped else onto_grid(image, ct.image)
    if fitted is None:
        raise RegionError(
            f"the mask has a different grid from the CT: {describe_grid(image)}",
            where=path,
            expected=f"the CT's grid: {describe_grid(ct.image)}",
            action="Give the CT on which the mask was drawn, or resample the mask onto the CT with nearest-neighbor "
            "interpolation (3D Slicer: Resample Image (BRAINS), reference image = CT).",
            code="E-REGION-005",
        )
    return sitk.GetArrayFromImage(fitted)


def names_beside(path: Path) -> list[Path]:
    """Files beside a mask that name its labels: nnU-Net's ``dataset.json``."""
    beside = path.parent / "dataset.json"
    return [beside] if image_file_kind(path) == "nifti" and beside.is_file() else []


def _slicer_segments(image: sitk.Image) -> tuple[_Named, ...]:
    """Segments that 3D Slicer lists in the header; empty for other files."""
    found = []
    for key in image.GetMetaDataKeys():
        match = _SEGMENT_KEY.fullmatch(key)
        if match is None:
            continue
        start = f"Segment{match[1]}"
        texts = {part: _text(image, f"{start}_{part}") for part in ("Name", "LabelValue", "Layer")}
        if texts["LabelValue"].isdecimal() and (texts["Layer"] or "0").isdecimal():
            found.append(_Named(texts["Name"], (int(texts["LabelValue"]),), int(texts["Layer"] or "0")))
    return tuple(found)


def _text(image: sitk.Image, key: str) -> str:
    return image.GetMetaData(key).strip() if image.HasMetaDataKey(key) else ""


def _names_of(path: Path) -> Iterator[_Named]:
    """Names of the labels of a NIfTI file: from its own header, otherwise from the ``dataset.json`` beside it."""
    if image_file_kind(path) != "nifti":
        return
    entries = [(int(match["number"]), match) for match in _LABEL_ENTRY.finditer(_header_extension(path))]
    if entries:
        for number, match in entries:
            name = match["data"] if match["data"] is not None else unescape(match["text"])
            if number and name.strip():
                yield _Named(name.strip(), (number,))
        return
    for beside in names_beside(path):
        yield from _nnunet_names(beside)


def _header_extension(path: Path) -> str:
    """The bytes between the header of a NIfTI-1 file and its voxels."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as handle:
            header = handle.read(_NIFTI1_END)
            order = next((o for o in "<>" if np.frombuffer(header[:4], f"{o}i4")[:1] == _NIFTI1_SIZEOF), None)
            if order is None or len(header) < _NIFTI1_END:
                return ""
            end = int(np.frombuffer(header[108:112], f"{order}f4")[0])
            return handle.read(max(0, min(end - _NIFTI1_END, _MOST_HEADER_BYTES))).decode("utf-8", errors="replace")
    except (OSError, EOFError, zlib.error) as failure:
        raise RegionError(
            "the header cannot be read", where=path, action="Copy or export it again.", code="E-CT-024"
        ) from failure


def _nnunet_names(path: Path) -> list[_Named]:
    """Names of ``dataset.json``: name to number or, if regions overlap, numbers (nnU-Net 2), or number to name."""
    try:
        labels: Any = json.loads(read_settings_text(path)).get("labels", {})
        pairs = [(value, key) if isinstance(value, str) else (key, value) for key, value in labels.items()]
        found = [
            _Named(str(name), tuple(sorted(int(n) for n in (number if isinstance(number, list) else [number]))))
            for name, number in pairs
        ]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as failure:
        raise RegionError(
            "the names of the labels cannot be read",
            where=path,
            expected='"labels" in the format of nnU-Net, such as {"background": 0, "tumor": 1}',
            action="Correct the file, or remove it and give the labels as numbers.",
            code="E-REGION-010",
        ) from failure
    return [named for named in found if named.numbers and named.numbers != (0,)]


def _values(voxels: AnyArray) -> list[float]:
    found = np.unique(voxels)
    return [float(value) for value in found[found != 0]]


def _whole(values: AnyArray) -> bool:
    return values.dtype.kind in "iub" or bool(np.array_equal(values, np.rint(values)))


def _shown(numbers: list[float]) -> str:
    several = sorted(set(numbers))
    return ", ".join(f"{number:g}" for number in several[:_MANY]) + (" …" if len(several) > _MANY else "")
