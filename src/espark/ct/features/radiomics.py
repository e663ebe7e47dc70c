"""Radiomic features of a region, by PyRadiomics, with a value or a reason for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import SimpleITK as sitk
from radiomics import getFeatureClasses, imageoperations

from espark.ct.features.image_types import IMAGE_TYPES
from espark.ct.features.lbp import LBP3D_NAMES, lbp3d
from espark.ct.features.radiomics_log import RadiomicsLog, quiet
from espark.ct.grid import describe_grid, image_like, onto_grid
from espark.ct.hounsfield import CtVolume
from espark.ct.resample import crop_and_resample
from espark.errors import FeatureError, nearest
from espark.work.memory import is_out_of_memory

_CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")
_SHAPE = ("original", "shape")
_WAVELETS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")
_PLAIN = {
    "Original": "original",
    "Square": "square",
    "SquareRoot": "squareroot",
    "Logarithm": "logarithm",
    "Exponential": "exponential",
    "Gradient": "gradient",
    "LBP2D": "lbp-2D",
}
_FAILS = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    np.linalg.LinAlgError,
)


@dataclass(frozen=True)
class RadiomicsSettings:
    """How features are computed.

    Attributes:
        image_types: filtered versions of the image, from ``IMAGE_TYPES``.
        spacing_mm: grid (x, y, z) to which image and mask are resampled; None keeps the grid of the CT.
        bin_width_hu: width of a gray-level bin in the texture matrices.
        lbp_bin_width: the same for local binary patterns. Their values span only about 10 to 40: with bins of 25
            nearly all their texture features would be constant.
        hu_range: gray values are clipped to this range of a 12-bit CT, so that padding and metal
            do not set the scale of the filtered images.
        padding_mm: surroundings of the region that the filters see: three times the widest Laplacian of Gaussian.

    Raises:
        FeatureError: when a setting is not valid.
    """

    image_types: tuple[str, ...] = tuple(IMAGE_TYPES)
    spacing_mm: tuple[float, float, float] | None = (2.0, 2.0, 2.0)
    bin_width_hu: float = 25.0
    lbp_bin_width: float = 1.0
    hu_range: tuple[float, float] | None = (-1024.0, 3071.0)
    padding_mm: float = 15.0

    def __post_init__(self) -> None:
        for name in self.image_types:
            if name not in IMAGE_TYPES:
                guess = nearest(name, IMAGE_TYPES)
                raise FeatureError(
                    f"there is no image type {name}" + (f" (did you mean {guess}?)" if guess else ""),
                    expected=f"one of: {', '.join(IMAGE_TYPES)}",
                )
        if not self.image_types or len(set(self.image_types)) < len(self.image_types):
            raise FeatureError("at least one image type is needed, and each may appear once")
        if self.spacing_mm is not None and not all(0.1 <= mm <= 10 for mm in self.spacing_mm):
            raise FeatureError(f"the spacing is {self.spacing_mm} mm", expected="three lengths from 0.1 to 10 mm")
        if self.bin_width_hu <= 0 or self.lbp_bin_width <= 0 or self.padding_mm < 0:
            raise FeatureError("bin widths must be positive, and the padding not negative")


@dataclass(frozen=True)
class RadiomicsResult:
    """Features of one region.

    Attributes:
        values: every name of :func:`feature_names`, in its order; NaN where there is no value.
        failures: reasons for NaN, by the name of the feature, or of the image (the part of the name before the
            first ``_``) for all its features.
        voxels: number of voxels of the region on the grid of the features.
    """

    values: dict[str, float]
    failures: dict[str, str] = field(default_factory=dict)
    voxels: int = 0

    def reason(self, feature: str) -> str | None:
        """Why a feature is NaN; None when it has a value."""
        return self.failures.get(feature) or self.failures.get(feature.split("_")[0])


def feature_names(settings: RadiomicsSettings | None = None) -> tuple[str, ...]:
    """Names of all features in PyRadiomics: 2153 with all image types.

    Example:
        >>> feature_names()[0], len(feature_names())
        ('original_shape_Elongation', 2153)
    """
    settings = settings or RadiomicsSettings()
    shape = [f"original_shape_{name}" for name in _names_of("shape")]
    texture = [
        f"{image}_{kind}_{name}"
        for image_type in settings.image_types
        for image in _image_names(image_type)
        for kind in _CLASSES
        for name in _names_of(kind)
    ]
    return (*shape, *texture)


def compute_radiomics(ct: CtVolume, mask: sitk.Image, settings: RadiomicsSettings | None = None) -> RadiomicsResult:
    """Compute every feature of a region.

    Only the region and its surroundings are resampled and filtered, so the time depends on the size of the region.

    Args:
        ct: the CT.
        mask: (0, 1) on the CT's grid.
        settings: how features are computed; None for the defaults.

    Returns:
        A value or a reason for each feature. A region without voxels has only reasons.

    Raises:
        FeatureError: when the mask is not on the CT's grid.
    """
    work = radiomics_work(ct, mask, settings or RadiomicsSettings())
    return work.joined(part.compute() for part in work.parts())


@dataclass(frozen=True, eq=False)
class RadiomicsPart:
    """The features of one image type: a part of the work that is independent of the other parts.

    Attributes:
        image: gray values of the region and its surroundings, on the grid of the features.
        region: (0, 1) on the same grid.
        settings: how features are computed, with a single image type.
        shape: whether this part includes the features of shape.
        kinds: feature classes that are computed, by image, such as ``("original", "glcm")``; None for all.
    """

    image: sitk.Image
    region: sitk.Image
    settings: RadiomicsSettings
    shape: bool
    kinds: frozenset[tuple[str, str]] | None = None

    @property
    def size(self) -> int:
        """Voxels of all its filtered images: a measure of the time it takes."""
        return int(self.image.GetNumberOfPixels()) * len(_image_names(self.settings.image_types[0]))

    def asks(self, image: str, kind: str) -> bool:
        """Whether a feature class is computed on an image."""
        return self.kinds is None or (image, kind) in self.kinds

    def compute(self) -> RadiomicsResult:
        """Values and failures of this part."""
        result = RadiomicsResult(values={})
        with quiet() as log:
            _compute_part(result, log, self)
        return result


@dataclass(frozen=True, eq=False)
class RadiomicsWork:
    """A region on the grid of the features, and the work to do for it.

    Attributes:
        settings: how features are computed.
        images: gray values of the region and its surroundings, and the region (0, 1), on the same grid; None when
            there is nothing to compute.
        nothing: reason why there is nothing to compute.
        kinds: feature classes that are computed, as in `RadiomicsPart`; None for all.
    """

    settings: RadiomicsSettings
    images: tuple[sitk.Image, sitk.Image] | None
    nothing: str = ""
    kinds: frozenset[tuple[str, str]] | None = None

    def parts(self) -> list[RadiomicsPart]:
        """Independent parts, in any order; empty when there is nothing to compute."""
        if self.images is None:
            return []
        types = self.settings.image_types
        images = None if self.kinds is None else {image for image, kind in self.kinds if kind != "shape"}
        shape = self.kinds is None or _SHAPE in self.kinds
        kept = [name for name in types if images is None or not images.isdisjoint(_image_names(name))]
        if shape and types[0] not in kept:
            kept.insert(0, types[0])
        return [
            RadiomicsPart(
                *self.images, replace(self.settings, image_types=(name,)), shape and name == types[0], self.kinds
            )
            for name in kept
        ]

    def joined(self, results: Iterable[RadiomicsResult]) -> RadiomicsResult:
        """The features of the region from the results of its parts, in any order."""
        if self.images is None:
            return without_values(self.settings, self.nothing)
        values, failures = dict.fromkeys(feature_names(self.settings), float("nan")), {}
        for result in results:
            values.update(result.values)
            failures.update(result.failures)
        voxels = int(sitk.GetArrayViewFromImage(self.images[1]).sum())
        return RadiomicsResult(values, dict(sorted(failures.items())), voxels)


def radiomics_work(
    ct: CtVolume, mask: sitk.Image, settings: RadiomicsSettings, wanted: Iterable[str] | None = None
) -> RadiomicsWork:
    """Bring a region and its surroundings onto the grid of the features.

    Args:
        ct: the CT.
        mask: (0, 1) on the CT's grid.
        settings: how features are computed.
        wanted: names of the features that are needed; the classes that hold none of them are left out. None for all.

    Raises:
        FeatureError: when the mask is not on the CT's grid.
    """
    fitted = onto_grid(mask, ct.image)
    if fitted is None:
        raise FeatureError(
            f"the mask has a different grid from the CT: {describe_grid(mask)}",
            expected=f"the CT's grid: {describe_grid(ct.image)}",
        )
    if not sitk.GetArrayViewFromImage(fitted).any():
        return RadiomicsWork(settings, None, "the region is empty")
    image, region = crop_and_resample(
        ct.image,
        fitted,
        spacing_mm=settings.spacing_mm,
        padding_mm=settings.padding_mm,
        clip=settings.hu_range,
    )
    if not sitk.GetArrayViewFromImage(region).any():
        return RadiomicsWork(settings, None, f"no voxel of {settings.spacing_mm} mm lies half inside the region")
    kinds = None if wanted is None else frozenset((image, kind) for image, kind, _ in (n.split("_", 2) for n in wanted))
    return RadiomicsWork(settings, (image, region), kinds=kinds)


def without_values(settings: RadiomicsSettings, reason: str) -> RadiomicsResult:
    """The result for a missing region: no value, and the reason for every image."""
    images = {"original", *(name for kind in settings.image_types for name in _image_names(kind))}
    values = dict.fromkeys(feature_names(settings), float("nan"))
    return RadiomicsResult(values=values, failures=dict.fromkeys(sorted(images), reason))


def _compute_part(result: RadiomicsResult, log: RadiomicsLog, part: RadiomicsPart) -> None:
    """Fill in values and reasons for each filtered image."""
    settings, (image_type,) = part.settings, part.settings.image_types
    box = _bounding_box(part.region)
    inside = part.region[box]
    if part.shape:
        _compute_class(result, log, "shape", "original", part.image[box], inside, settings.bin_width_hu)
    width = settings.lbp_bin_width if image_type.startswith("LBP") else settings.bin_width_hu
    done = set()
    for name, filtered in _images(result, image_type, part.image, part.region):
        done.add(name)
        near = filtered[box]
        for kind in _CLASSES:
            if not part.asks(name, kind):
                continue
            _compute_class(result, log, kind, name, near, inside, width)
    for name in set(_image_names(image_type)) - done:
        result.failures.setdefault(name, "the surroundings of the region are too small for this filter")


def filtered_image(name: str, image: sitk.Image, region: sitk.Image, settings: RadiomicsSettings) -> sitk.Image:
    """One of the images on which features are computed.

    Args:
        name: its name, the part of a feature's name before the first ``_``, e.g. ``wavelet-LLH``.
        image: gray values on the grid of the features.
        region: (0, 1) on the same grid.
        settings: how the features are computed.

    Raises:
        FeatureError: when the settings do not include this image, or the filter failed.
    """
    result = RadiomicsResult(values={})
    for image_type in settings.image_types:
        if name in _image_names(image_type):
            for found, filtered in _images(result, image_type, image, region):
                if found == name:
                    return filtered
            reason = result.failures.get(name, "the surroundings of the region are too small for this filter")
            raise FeatureError(f"there is no image {name} of this region: {reason}")
    raise FeatureError(f"the image {name} is not among the image types", expected=", ".join(settings.image_types))


@cache
def _names_of(kind: str) -> tuple[str, ...]:
    """Features of a PyRadiomics class, in its order, without deprecated ones."""
    names: dict[str, bool] = getFeatureClasses()[kind].getFeatureNames()
    return tuple(name for name, deprecated in names.items() if not deprecated)


def _image_names(image_type: str) -> tuple[str, ...]:
    """Names of the images of an image type."""
    if image_type == "Wavelet":
        return tuple(f"wavelet-{bands}" for bands in _WAVELETS)
    if image_type == "LoG":
        sigmas: list[float] = IMAGE_TYPES["LoG"].settings["sigma"]  # type: ignore[assignment]
        return tuple(f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D" for sigma in sigmas)
    if image_type == "LBP3D":
        return LBP3D_NAMES
    return (_PLAIN[image_type],)


def _images(
    result: RadiomicsResult, image_type: str, image: sitk.Image, region: sitk.Image
) -> Iterator[tuple[str, sitk.Image]]:
    """Name and image of each filter. A filter that fails is recorded."""
    try:
        if image_type == "LBP3D":
            inside = sitk.GetArrayFromImage(region).astype(np.bool_)
            for name, voxels in lbp3d(sitk.GetArrayFromImage(image), inside).items():
                yield name, image_like(voxels, image)
        else:
            generate = getattr(imageoperations, f"get{image_type}Image")
            for filtered, name, _ in generate(image, region, **IMAGE_TYPES[image_type].settings):
                yield name, filtered
    except _FAILS as error:
        if is_out_of_memory(error):
            raise  # no fault of the region; a larger machine measures it
        for name in _image_names(image_type):
            result.failures.setdefault(name, f"the filter failed: {error}")


def _compute_class(
    result: RadiomicsResult,
    log: RadiomicsLog,
    kind: str,
    image_name: str,
    image: sitk.Image,
    region: sitk.Image,
    bin_width: float,
) -> None:
    """Compute one feature class on one image, and store values and reasons."""
    prefix = f"{image_name}_{kind}_"
    found: dict[str, object] = {}
    general = "not defined for this region (too few voxels, or constant grey values)"
    log.messages.clear()
    try:
        found = getFeatureClasses()[kind](image, region, binWidth=bin_width, label=1).execute()
    except _FAILS as error:
        if is_out_of_memory(error):
            raise  # no fault of the region; a larger machine measures it
        general = f"PyRadiomics failed: {error}"
    reasons = log.reasons()
    for name in _names_of(kind):
        value = float(np.real(np.asarray(found.get(name, np.nan))))
        result.values[prefix + name] = value if np.isfinite(value) else float("nan")
        if not np.isfinite(value):
            result.failures[prefix + name] = reasons.get(name, general)


def _bounding_box(region: sitk.Image) -> tuple[slice, ...]:
    """Slices (x, y, z) of the smallest box that holds the region."""
    voxels = sitk.GetArrayViewFromImage(region)
    found = [np.flatnonzero(voxels.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]
    return tuple(slice(int(where[0]), int(where[-1]) + 1) for where in found)
