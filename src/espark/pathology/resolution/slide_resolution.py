"""The size of a pixel of a slide: the value from the file, the value of the user, and which of them is used.

The value from the file has priority, because it comes from the scanner. `slide_mpp` is for files without a value, or
with contradictory values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import openslide

from espark.errors import SlideError
from espark.notes import Note
from espark.pathology.resolution.plausible_mpp import is_plausible_mpp
from espark.pathology.resolution.power import contradicts, nominal_mpp

_COARSEST_TAG = 5.0
"""Larger values in resolution tags of a TIFF are of a screen or printer (72 dpi = 353 µm, 600 dpi = 42 µm)."""
_ISOTROPY = 0.02
_AGREEMENT, _STRONG = 0.05, 0.2
_MOST_XML = 1 << 24
_ENTITIES = re.compile("<!(DOCTYPE|ENTITY)")
_UM = {"µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "Å": 1e-4,
       "in": 25400.0}  # fmt: skip
_MPP_NAMES = (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y)
_POWER_NAMES = (openslide.PROPERTY_NAME_OBJECTIVE_POWER, "aperio.AppMag")
_ADVICE = "Give the resolution as slide_mpp in cohort.csv, or with --slide-mpp."


@dataclass(frozen=True)
class FileResolution:
    """The resolution that a file gives.

    Attributes:
        mpp: width and height of a level-0 pixel in µm; None when not given.
        power: power of the objective; None when not given.
        contradiction: why the values contradict each other; empty when they agree.
    """

    mpp: tuple[float, float] | None
    power: float | None = None
    contradiction: str = ""

    @property
    def mean(self) -> float | None:
        """µm per pixel; None when unknown."""
        return None if self.mpp is None else sum(self.mpp) / 2


def choose_resolution(
    path: Path, properties: Mapping[str, str], dimensions: tuple[int, int], given: float | None
) -> tuple[float, tuple[Note, ...]]:
    """µm per level-0 pixel, and notes about it.

    Args:
        path: the slide, for errors.
        properties: properties from OpenSlide.
        dimensions: width and height of level 0.
        given: value given by the user.

    Raises:
        SlideError: when neither file nor user gives it, or the file contradicts itself and the user gives no value.
    """
    found = resolution_in_file(properties, dimensions)
    if found.contradiction:
        if given is None:
            raise SlideError(
                f"the file contradicts itself: {found.contradiction}", where=path,
                expected="µm per pixel that fit the objective, and square pixels",
                action=f"Give the full-resolution file. If only the header is wrong: {_ADVICE}",
                code="E-SLIDE-003",
            )  # fmt: skip
        text = f"slide_mpp {given:g} is used because the file contradicts itself: {found.contradiction}."
        return given, (Note("N-SLIDE-003", text),)
    if found.mean is not None:
        return found.mean, _given_beside(found.mean, given)
    if given is None:
        raise SlideError("the file does not give the size of a pixel", where=path, action=_ADVICE, code="E-SLIDE-002")
    if found.power and contradicts(found.power, given):
        text = (
            f"slide_mpp is {given:g}, but the objective of {found.power:g}× in the file usually has "
            f"{nominal_mpp(found.power):g} µm per pixel."
        )
        return given, (Note("D-SLIDE-002", text),)
    return given, ()


def _given_beside(own: float, given: float | None) -> tuple[Note, ...]:
    if given is None or abs(given / own - 1) <= _AGREEMENT:
        return ()
    text = f"slide_mpp {given:g} is not used: the file gives {own:.4g} µm per pixel."
    return (Note("D-SLIDE-001" if abs(given / own - 1) > _STRONG else "N-SLIDE-001", text),)


def resolution_in_file(properties: Mapping[str, str], dimensions: tuple[int, int]) -> FileResolution:
    """What a file says about its resolution, by its OME-XML where there is one, else by OpenSlide's properties.

    Args:
        properties: properties from OpenSlide.
        dimensions: width and height of level 0.
    """
    own = _mpp(properties)
    ome_mpp, ome_power = _ome(properties.get("tiff.ImageDescription", ""), dimensions)
    powers = (_positive(properties.get(name, "")) for name in _POWER_NAMES)
    power = next(filter(None, powers), ome_power)
    mpp = ome_mpp or own
    contradiction = ""
    if ome_mpp and own and abs(sum(ome_mpp) / sum(own) - 1) > _AGREEMENT:
        contradiction = f"{sum(ome_mpp) / 2:.4g} µm per pixel in its OME-XML, {sum(own) / 2:.4g} in its resolution tags"
    elif mpp and abs(mpp[0] - mpp[1]) > _ISOTROPY * sum(mpp) / 2:
        contradiction = f"the pixels are not square ({mpp[0]:.4g} × {mpp[1]:.4g} µm)"
    elif mpp and power and _vendor(properties) != "dicom" and contradicts(power, sum(mpp) / 2):
        contradiction = f"an objective of {power:g}×, but {sum(mpp) / 2:.4g} µm per pixel"
    return FileResolution(mpp, power, contradiction)


def _vendor(properties: Mapping[str, str]) -> str:
    return properties.get(openslide.PROPERTY_NAME_VENDOR, "")


def _mpp(properties: Mapping[str, str]) -> tuple[float, float] | None:
    """µm per pixel from OpenSlide; None when missing, or not from a microscope."""
    found = [_positive(properties.get(name, "")) for name in _MPP_NAMES]
    if None in found:
        return None
    width, height = (value for value in found if value is not None)
    from_tags = _vendor(properties) == "generic-tiff"
    if not (is_plausible_mpp(width) and is_plausible_mpp(height)) or (from_tags and max(width, height) > _COARSEST_TAG):
        return None
    return width, height


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _ome(description: str, dimensions: tuple[int, int]) -> tuple[tuple[float, float] | None, float | None]:
    """Physical size of a pixel in µm and magnification of the objective, from OME-XML for level 0.

    XML with a document type or entities is not read: a few of them can unpack to gigabytes, and OME-XML has none.
    """
    start = description.find("<OME")
    if start < 0 or len(description) > _MOST_XML or _ENTITIES.search(description):
        return None, None
    try:
        root = ElementTree.fromstring(description[start:])
    except (ElementTree.ParseError, RecursionError):
        return None, None
    powers = [_positive(part.get("NominalMagnification", "")) for part in root.iter() if _tag(part) == "Objective"]
    power = powers[0] if len(powers) == 1 else None
    pixels = [part for part in root.iter() if _tag(part) == "Pixels"]
    size = tuple(map(str, dimensions))
    fitting = [part for part in pixels if (part.get("SizeX"), part.get("SizeY")) == size]
    chosen = fitting or (pixels if len(pixels) == 1 else [])
    if not chosen:
        return None, power
    sides = [_micrometres(chosen[0], axis) for axis in "XY"]
    known = [side for side in sides if side is not None and is_plausible_mpp(side)]
    return ((known[0], known[-1]) if known else None), power


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _micrometres(pixels: ElementTree.Element, axis: str) -> float | None:
    value = _positive(pixels.get(f"PhysicalSize{axis}", ""))
    unit = _UM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return None if value is None or unit is None else value * unit
