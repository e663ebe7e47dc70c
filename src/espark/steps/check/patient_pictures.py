"""The small pictures of a patient for the contact sheet: the CT with its regions, the slides with what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from espark.ct.hounsfield import CtVolume
from espark.ct.preview import three_planes
from espark.ct.regions.regions import Regions, read_regions
from espark.errors import EsparkError
from espark.pathology.features import SlideFeatures, read_slide_features
from espark.pathology.slide import Slide, open_slide
from espark.pathology.tiles import Tiles, tile_grid
from espark.pathology.tissue import find_tissue
from espark.plots.ct.plane_picture import plane_pictures
from espark.plots.slides.slide_picture import slide_picture
from espark.plots.slides.slide_quality import REASONS
from espark.report.contact_sheet import SheetPicture
from espark.report.formatting import count, counted
from espark.steps.prepare.item import Item
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.steps.prepare.slide_quality import tile_rectangles
from espark.types import REGIONS
from espark.workspace.patient_files import PatientFiles
from espark.workspace.records import read_record

_TISSUE_MPP = 16.0
"""µm per pixel at which tissue is sought before `prepare`, which looks twice as closely."""

_LONGEST_PX, _PIXELS = 230, 30_000


@dataclass(frozen=True)
class TileShape:
    """The tiles of the study's encoder.

    Attributes:
        tile_px: side of a tile in pixels.
        mpp: µm per pixel.
        min_tissue: a tile is used when more than this share of it is tissue.
    """

    tile_px: int
    mpp: float
    min_tissue: float


@dataclass(frozen=True)
class PatientPictures:
    """What the contact sheet shows of a patient's images.

    Attributes:
        planes: the CT in three planes.
        slides: one picture for each slide that can be read.
        facts: size and origin of images and regions.
        missing: why a picture is not there, or not complete.
    """

    planes: tuple[SheetPicture, ...] = ()
    slides: tuple[SheetPicture, ...] = ()
    facts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def beside(self, other: PatientPictures) -> PatientPictures:
        """These pictures, then others of the same patient."""
        return PatientPictures(
            (*self.planes, *other.planes),
            (*self.slides, *other.slides),
            (*self.facts, *other.facts),
            (*self.missing, *other.missing),
        )


NO_PICTURES = PatientPictures()


def ct_pictures(ct: CtVolume, regions: Regions | None, *, origin: str) -> PatientPictures:
    """Three planes through the tumor, otherwise through the esophagus, otherwise through the middle of the CT.

    Args:
        ct: the CT.
        regions: what is outlined; None for nothing.
        origin: where the regions come from, in words.
    """
    planes = three_planes(ct, regions)
    place = "the middle of the CT" if regions is None else f"the {regions.scales[0]}"
    shown = "no region outlined" if regions is None else f"outlined: {', '.join(regions.scales)}"
    pictures = tuple(
        SheetPicture(drawn, plane.name.capitalize(), f"{plane.name} CT plane through {place}, {shown}")
        for plane, drawn in zip(planes, plane_pictures(planes), strict=True)
    )
    voxels = f"{' × '.join(map(str, ct.size))} voxels of {' × '.join(f'{mm:.3g}' for mm in ct.spacing_mm)} mm"
    facts = [f"CT: {voxels}"]
    if regions is not None:
        known = [region for region in REGIONS if region in regions.scales]
        sizes = ", ".join(f"{region} {regions.volume_ml(region):.3g} ml" for region in known)
        facts.append(f"Regions, {origin}: {sizes}")
    return PatientPictures(planes=pictures, facts=tuple(facts))


def refused_ct_pictures(files: PatientFiles) -> PatientPictures:
    """What can be drawn of a CT that is refused, or whose regions are refused: a person sees what is wrong."""
    try:
        ct = read_patient_ct(files)
    except (EsparkError, OSError):
        return PatientPictures(missing=("There is no picture of the CT, because it cannot be used.",))
    try:
        regions = read_regions(
            ct, esophagus_mask=files.esophagus_mask, tumor_mask=files.tumor_mask, rtstruct=files.rtstruct,
            tumor_roi=files.tumor_roi, esophagus_roi=files.esophagus_roi,
        ) if files.has_regions else None  # fmt: skip
    except (EsparkError, OSError):
        regions = None
    drawn = ct_pictures(ct, regions, origin="given, but refused")
    text = "The regions are not drawn, because they cannot be read." if files.has_regions and regions is None else ""
    return replace(drawn, missing=(text,) if text else ())


def slide_pictures(slide: Slide, name: str, item: Item, shape: TileShape | None) -> PatientPictures:
    """A slide with the tiles that are used and left out: those of `prepare`, else those that it would try.

    Args:
        slide: the open slide.
        name: how the page calls it.
        item: the same slide.
        shape: the tiles of the encoder; None shows the slide alone.
    """
    prepared = _prepared_tiles(item)
    found: SlideFeatures | Tiles | None = prepared
    if prepared is None and shape is not None:
        tissue = find_tissue(slide, um_per_px=max(_TISSUE_MPP, slide.mpp))
        found = tile_grid(slide, tissue, tile_px=shape.tile_px, mpp=shape.mpp, min_tissue=shape.min_tissue)
    caption = "" if found is None else _tiles_in_words(found, prepared is not None)
    return _drawn_slide(slide, name, found, caption)


def refused_slide_picture(item: Item, name: str) -> PatientPictures:
    """A slide that is refused as it is, where it can be opened at all."""
    assert item.slide is not None
    try:
        with open_slide(item.slide, mpp=item.patient.files.slide_mpp) as slide:
            return _drawn_slide(slide, name, None, "Refused")
    except (EsparkError, OSError):
        return PatientPictures(missing=(f"{name}: there is no picture, because the slide cannot be used.",))


def _drawn_slide(slide: Slide, name: str, found: SlideFeatures | Tiles | None, caption: str) -> PatientPictures:
    width, height = slide.dimensions
    longest = min(_LONGEST_PX, round((_PIXELS * max(width, height) / min(width, height)) ** 0.5))
    thumbnail, um_per_px = slide.thumbnail(longest)
    level0_per_px = um_per_px / slide.mpp
    corners, rejected = (found.coords, found.rejected_coords) if found else (np.zeros((0, 2)), np.zeros((0, 2)))
    side = found.tile_px_level0 if found else 0.0
    drawn = slide_picture(
        thumbnail,
        tile_rectangles(corners, side, level0_per_px),
        tile_rectangles(rejected, side, level0_per_px),
        found.rejected_reasons if found else (),
        um_per_px=um_per_px,
    )
    size = " × ".join(f"{length * slide.mpp / 1000:.3g}" for length in (width, height))
    alt = f"{name} of {size} mm" + (", tiles that are left out are colored" if found else "")
    fact = f"{name}: {size} mm at {slide.mpp:.3g} µm per pixel"
    return PatientPictures(slides=(SheetPicture(drawn, name, alt, caption),), facts=(fact,))


def _prepared_tiles(item: Item) -> SlideFeatures | None:
    """The tiles that `prepare` made of a slide; None when there are none, or when it is another slide now."""
    patient_id = item.patient.patient_id
    record = read_record(item.layout, patient_id, item.name)
    if record is None or ("inputs" in record and record["inputs"] != item.fingerprints()):
        return None
    try:
        return read_slide_features(item.layout.slide_features(patient_id, item.name))
    except (EsparkError, OSError):
        return None


def _tiles_in_words(found: SlideFeatures | Tiles, prepared: bool) -> str:
    """How many tiles are used and left out.

    Example: ``90 tiles used; left out: 8 pen, 2 out of focus``.
    """
    reasons = Counter(found.rejected_reasons)
    left_out = ", ".join(f"{count(reasons[key])} {name}" for key, (name, _) in REASONS.items() if reasons[key])
    used = counted(len(found.coords), "tile") + (" used" if prepared else ", before their focus is judged")
    return f"{used}; left out: {left_out or 'none'}"
