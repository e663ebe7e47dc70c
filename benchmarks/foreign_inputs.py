"""Inputs that no model of esophageal cancer may answer for, made from the patients of a prepared trial.

Each kind is a change of the images, of the regions or of the features of patients whom training does not see. CTs and
slides go through the checks of `espark prepare`, so that a kind may be refused before any feature is computed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import openslide
import SimpleITK as sitk
import skimage.data
from scipy import ndimage
from skimage.color import hed2rgb, rgb2hed
from skimage.transform import resize

from espark.ct.features.radiomics import RadiomicsSettings
from espark.ct.grid import image_like
from espark.ct.hounsfield import CtVolume, check_hu
from espark.ct.regions.judgement import judge
from espark.ct.regions.plausibility import RegionDescription, describe_region
from espark.ct.regions.regions import Regions, regions_from_masks
from espark.errors import InputError
from espark.pathology.cytology import Cytology
from espark.pathology.encoders.load import load_encoder
from espark.pathology.features import encode_slide
from espark.pathology.slide import open_slide
from espark.simulate.slides.slide_writer import write_pyramid
from espark.steps.prepare.measure import measure_regions
from espark.steps.prepare.patient_ct import read_ct_and_regions
from espark.steps.prepare.prepared_inputs import bag_of
from espark.training.inputs import Bag, Inputs
from espark.workspace.cohort import Patient

_SLIDE_QUALITY = 90
_SHIFT_STEP_MM = 6.0


@dataclass(frozen=True)
class Foreign:
    """A foreign input, as far as `prepare` let it through.

    Attributes:
        modality: ``ct`` or ``slides``.
        kind: what is wrong with it.
        refused: why `prepare` refuses it; empty where it does not.
        row: (features,) radiomics; None for a slide or a refused CT.
        bag: tiles; None for a CT or a refused slide.
        tumor: description of the tumor region; None without.
    """

    modality: str
    kind: str
    refused: str = ""
    row: np.ndarray | None = None
    bag: Bag | None = None
    tumor: RegionDescription | None = None


# CT: the region lies elsewhere


def _places(hu: np.ndarray, box: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners where a box fits into the CT, with the mean and the SD of the HU in each box."""
    size = np.minimum(box, np.array(hu.shape))
    clipped = np.clip(hu, -1000, 1000).astype(np.float32)
    mean = ndimage.uniform_filter(clipped, size)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(clipped**2, size) - mean**2, 0))
    steps = np.maximum(np.round(_SHIFT_STEP_MM / spacing), 1).astype(int)
    axes = [np.arange(half, length - (own - half), step) for half, own, length, step in
            zip(size // 2, size, hu.shape, steps, strict=True)]  # fmt: skip
    centers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return centers - size // 2, mean[tuple(centers.T)], spread[tuple(centers.T)]


def moved_to(target_hu: float, ct: CtVolume, regions: Regions) -> Regions:
    """The tumor's shape at the place whose mean is closest to ``target_hu`` and most even; the esophagus stays."""
    hu = sitk.GetArrayFromImage(ct.image)
    spacing = np.array(ct.image.GetSpacing())[::-1]
    tumor = sitk.GetArrayFromImage(regions.mask("tumor")) > 0
    found = ndimage.find_objects(tumor.astype(int))[0]
    shape = tumor[found]
    corners, mean, spread = _places(hu, np.array(shape.shape), spacing)
    corner = corners[np.argmin(np.abs(mean - target_hu) + spread / 2)]
    elsewhere = np.zeros_like(tumor)
    elsewhere[tuple(slice(at, at + own) for at, own in zip(corner, shape.shape, strict=True))] = shape
    return regions_from_masks(ct, tumor=elsewhere, esophagus=sitk.GetArrayFromImage(regions.mask("esophagus")) > 0)


def _with(ct: CtVolume, hu: np.ndarray) -> CtVolume:
    return replace(ct, image=image_like(np.rint(hu).astype(np.int16), ct.image))


def _upside_down(ct: CtVolume, regions: Regions) -> Regions:
    masks = {
        scale: sitk.GetArrayFromImage(regions.mask(scale))[::-1, ::-1, ::-1] > 0 for scale in ("tumor", "esophagus")
    }
    return regions_from_masks(ct, **masks)


def _swollen(ct: CtVolume, regions: Regions) -> Regions:
    """A region of all soft tissue within 60 mm: no tumor is drawn like this."""
    tumor = sitk.GetArrayFromImage(regions.mask("tumor")) > 0
    away = ndimage.distance_transform_edt(~tumor, sampling=ct.image.GetSpacing()[::-1])
    hu = sitk.GetArrayFromImage(ct.image)
    return regions_from_masks(
        ct, tumor=(away < 60) & (hu > -150), esophagus=sitk.GetArrayFromImage(regions.mask("esophagus")) > 0
    )


CtChange = Callable[[CtVolume, Regions, np.random.Generator], tuple[CtVolume, Regions]]


def _image(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> CtChange:
    return lambda ct, regions, rng: (_with(ct, change(sitk.GetArrayFromImage(ct.image).astype(float), rng)), regions)


def _region(change: Callable[[CtVolume, Regions], Regions]) -> CtChange:
    return lambda ct, regions, rng: (ct, change(ct, regions))


CT_KINDS: dict[str, CtChange] = {
    "region in the lung": _region(lambda ct, regions: moved_to(-850, ct, regions)),
    "region in the air around the body": _region(lambda ct, regions: moved_to(-1000, ct, regions)),
    "region in fat": _region(lambda ct, regions: moved_to(-100, ct, regions)),
    "region in a blood vessel or the heart": _region(lambda ct, regions: moved_to(170, ct, regions)),
    "region in bone": _region(lambda ct, regions: moved_to(400, ct, regions)),
    "region of all soft tissue around": _region(_swollen),
    "CT turned upside down": _region(_upside_down),
    "water phantom": _image(lambda hu, rng: rng.normal(0, 10, hu.shape)),
    "noise": _image(lambda hu, rng: rng.normal(0, 300, hu.shape)),
    "HU without rescaling (+1024)": _image(lambda hu, rng: hu + 1024),
    "HU shifted by 150": _image(lambda hu, rng: hu + 150),
    "HU at half the scale": _image(lambda hu, rng: hu / 2),
    "voxels shuffled": _image(lambda hu, rng: rng.permutation(hu.ravel()).reshape(hu.shape)),
}


def foreign_cts(patients: list[Patient], settings: RadiomicsSettings, columns: list[str]) -> Iterator[Foreign]:
    """Every kind of foreign CT, of every patient."""
    for number, patient in enumerate(patients):
        read = read_ct_and_regions(patient.files)
        for kind, change in CT_KINDS.items():
            ct, regions = change(read.ct, read.regions, np.random.default_rng(number))
            yield _measured(kind, ct, regions, settings, columns)


def _measured(kind: str, ct: CtVolume, regions: Regions, settings: RadiomicsSettings, columns: list[str]) -> Foreign:
    try:
        check_hu(sitk.GetArrayViewFromImage(ct.image), kind)
        judge(ct, regions)
    except InputError as error:
        return Foreign("ct", kind, refused=error.found)
    results = measure_regions(ct, [regions.mask(scale) for scale in regions.scales], settings)
    values = {f"{scale}__{name}": value for scale, result in zip(regions.scales, results, strict=True)
              for name, value in result.values.items()}  # fmt: skip
    row = np.array([values.get(name, np.nan) for name in columns], np.float32)
    return Foreign("ct", kind, row=row, tumor=describe_region(ct, regions.mask("tumor")))


# Slides: the pixels change


def _brown(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Immunohistochemistry: nuclei stay blue, DAB takes the place of eosin."""
    hed = rgb2hed(picture)
    brown = hed2rgb(np.stack([hed[..., 0], 0 * hed[..., 1], 1.5 * hed[..., 1]], axis=-1))
    return np.asarray(np.clip(brown * 255, 0, 255))


def _tiled(photo: np.ndarray) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """The tissue shows something else: a photo takes its place."""

    def change(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        times = [-(-have // own) for have, own in zip(picture.shape[:2], photo.shape[:2], strict=True)]
        sheet = np.tile(photo, (*times, 1))[: picture.shape[0], : picture.shape[1]]
        return np.where((picture.min(axis=-1) < 215)[..., None], sheet, picture)

    return change


def _coarser(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slide at a quarter of the magnification that its file gives."""
    height, width = picture.shape[0] // 4, picture.shape[1] // 4
    small = resize(picture, (height, width), anti_aliasing=True, preserve_range=True)
    return np.tile(small, (4, 4, 1))


def _finer(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slide at three times the magnification that its file gives."""
    tissue = ndimage.uniform_filter((picture.min(axis=-1) < 215).astype(np.float32), 800)[::50, ::50]
    y, x = (int(at) * 50 for at in np.unravel_index(tissue.argmax(), tissue.shape))
    part = picture[max(y - 700, 0) : y + 700, max(x - 700, 0) : x + 700]
    return np.asarray(resize(part, (part.shape[0] * 3, part.shape[1] * 3), preserve_range=True))


SlideChange = Callable[[np.ndarray, np.random.Generator], np.ndarray]

SLIDE_KINDS: dict[str, SlideChange] = {
    "blank slide": lambda picture, rng: np.full_like(picture, 243),
    "ink over everything": lambda picture, rng: np.where(picture < 215, [30, 60, 160], picture),
    "another stain (DAB)": _brown,
    "gray pictures": lambda picture, rng: np.repeat(picture.mean(axis=-1, keepdims=True), 3, axis=-1),
    "colors inverted": lambda picture, rng: 255 - picture,
    "too coarse (a quarter of the magnification)": _coarser,
    "too fine (three times the magnification)": _finer,
    "a photo of coffee": _tiled(skimage.data.coffee()),
    "a picture of gravel": _tiled(np.repeat(skimage.data.gravel()[..., None], 3, axis=-1)),
    "noise": lambda picture, rng: np.where(picture < 215, rng.integers(0, 215, picture.shape), picture),
    "out of focus": lambda picture, rng: ndimage.gaussian_filter(picture, (6, 6, 0)),
}


def foreign_slides(patients: list[Patient]) -> Iterator[Foreign]:
    """Every kind of foreign slide, of every patient."""
    encoder = load_encoder("espark-mini")
    for number, patient in enumerate(patients):
        path = patient.files.slides[0]
        with openslide.OpenSlide(path) as handle:
            picture = np.asarray(handle.read_region((0, 0), 0, handle.dimensions).convert("RGB"))
        with open_slide(path) as slide:
            mpp = slide.mpp
        for kind, change in SLIDE_KINDS.items():
            changed = np.clip(change(picture, np.random.default_rng(number)), 0, 255).astype(np.uint8)
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "slide.tif"
                write_pyramid(target, np.ascontiguousarray(changed), mpp=mpp, quality=_SLIDE_QUALITY)
                try:
                    with open_slide(target) as slide:
                        bag = bag_of([encode_slide(slide, encoder, cytology=Cytology())])
                except InputError as error:
                    yield Foreign("slides", kind, refused=error.found)
                    continue
            yield Foreign("slides", kind, bag=bag)


# Features: no image is needed


def foreign_features(inputs: Inputs, others: np.ndarray) -> Iterator[Foreign]:
    """Tables whose features are wrong, and bags whose tiles are.

    Args:
        inputs: all patients.
        others: places of those whose features are changed.
    """
    rng = np.random.default_rng(0)
    for place in others:
        row, bag = inputs.radiomics[place], inputs.bags[place]
        yield Foreign("ct", "features in another order", row=rng.permutation(row))
        mixed = inputs.radiomics[rng.choice(others, len(row)), np.arange(len(row))]
        yield Foreign("ct", "each feature of another patient", row=mixed)
        yield Foreign("ct", "all features zero", row=np.zeros_like(row))
        yield Foreign("ct", "features of another unit (a tenth)", row=row / 10)
        if bag is None:
            continue
        tiles = bag.features
        order = rng.permutation(tiles.shape[1])
        yield Foreign("slides", "features in another order", bag=replace(bag, features=tiles[:, order]))
        same = _of_tiles(bag, np.zeros(len(bag), np.int64))
        yield Foreign("slides", "one tile again and again", bag=same)
        noise = rng.normal(size=tiles.shape).astype(np.float32)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        yield Foreign("slides", "random tile vectors", bag=replace(bag, features=noise))
        least = np.argsort(_tumor(bag))[: max(len(bag) // 5, 1)]
        yield Foreign("slides", "no tumor (the fifth of the tiles with least tumor)", bag=_of_tiles(bag, least))


def _of_tiles(bag: Bag, places: np.ndarray) -> Bag:
    """The tiles at some places, again where a place is repeated."""
    similarity, counts = (None if part is None else part[places] for part in (bag.similarity, bag.counts))
    return Bag(bag.features[places], similarity, counts)


def _tumor(bag: Bag) -> np.ndarray:
    """(tiles,) expected number of tumor cells."""
    return np.zeros(len(bag)) if bag.counts is None else np.asarray(bag.counts[:, 2] + bag.counts[:, 3])
