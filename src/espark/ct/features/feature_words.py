"""What a radiomic feature measures, in plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass

OTHER = "other"
"""Image type and class of a feature that is not from PyRadiomics."""

IMAGE_TITLES: dict[str, str] = {
    "Original": "CT as it is",
    "Wavelet": "Wavelet",
    "LoG": "LoG",
    "Square": "Square",
    "SquareRoot": "Square root",
    "Logarithm": "Logarithm",
    "Exponential": "Exponential",
    "Gradient": "Gradient",
    "LBP2D": "LBP 2D",
    "LBP3D": "LBP 3D",
    OTHER: "Other",
}
"""Short titles of the image types, by their key in the catalogue."""

CLASS_TITLES: dict[str, str] = {
    "shape": "Size and shape",
    "firstorder": "Brightness",
    "glcm": "Neighbors (GLCM)",
    "gldm": "Dependence (GLDM)",
    "glrlm": "Runs (GLRLM)",
    "glszm": "Zones (GLSZM)",
    "ngtdm": "Coarseness (NGTDM)",
    OTHER: "Other",
}
"""Short titles of the feature classes, by their key in a feature's name."""

CLASS_WORDS: dict[str, str] = {
    "shape": "how large the region is and what shape it has",
    "firstorder": "how bright or dark its voxels are, independent of position",
    "glcm": "how much neighboring voxels differ",
    "gldm": "how many neighbors a voxel resembles",
    "glrlm": "how long the lines of equally bright voxels are",
    "glszm": "how large the zones of equally bright voxels are",
    "ngtdm": "how much a voxel differs from its surroundings",
    OTHER: "features that PyRadiomics does not compute",
}
"""What the features of a class measure, by its key."""

_IMAGES = {
    "original": "Original", "wavelet": "Wavelet", "log": "LoG", "square": "Square", "squareroot": "SquareRoot",
    "logarithm": "Logarithm", "exponential": "Exponential", "gradient": "Gradient",
}  # fmt: skip
_LBP = {"2D": "LBP2D", "3D": "LBP3D"}
_DIRECTIONS = ("side to side", "front to back", "head to foot")
_PLACES = {
    "Original": "",
    "Square": "with bright values stretched (square)",
    "SquareRoot": "with bright values compressed (square root)",
    "Logarithm": "with bright values strongly compressed (logarithm)",
    "Exponential": "with bright values strongly stretched (exponential)",
    "Gradient": "in the steepness of edges (gradient)",
    "LBP2D": "in the fine pattern within a slice (LBP 2D)",
}
_OTHER_PLACES = {"m1": "LBP 3D, part 1", "m2": "LBP 3D, part 2", "k": "LBP 3D, kurtosis"}

_SHAPE = {
    "MeshVolume": "volume",
    "VoxelVolume": "volume, counted in voxels",
    "SurfaceArea": "surface area",
    "SurfaceVolumeRatio": "surface in relation to volume",
    "Sphericity": "roundness (sphericity)",
    "Compactness1": "compactness",
    "Compactness2": "compactness, second definition",
    "SphericalDisproportion": "departure from a sphere",
    "Maximum3DDiameter": "largest diameter",
    "Maximum2DDiameterSlice": "largest diameter in the axial plane",
    "Maximum2DDiameterColumn": "largest diameter in the coronal plane",
    "Maximum2DDiameterRow": "largest diameter in the sagittal plane",
    "MajorAxisLength": "length of the longest axis",
    "MinorAxisLength": "length of the second axis",
    "LeastAxisLength": "length of the shortest axis",
    "Elongation": "second axis in relation to the longest (1 = not elongated)",
    "Flatness": "shortest axis in relation to the longest (1 = not flat)",
}
_BRIGHTNESS = {
    "10Percentile": "brightness below which the darkest tenth lies",
    "90Percentile": "brightness above which the brightest tenth lies",
    "Energy": "total of squared brightness (grows with volume)",
    "TotalEnergy": "total of squared brightness times volume",
    "Entropy": "variety of brightness (entropy)",
    "InterquartileRange": "spread of the middle half of brightness",
    "Kurtosis": "weight of extreme brightness (kurtosis)",
    "Maximum": "brightness of the brightest voxel",
    "Mean": "mean brightness",
    "MeanAbsoluteDeviation": "mean distance from the mean brightness",
    "Median": "median brightness",
    "Minimum": "brightness of the darkest voxel",
    "Range": "range from darkest to brightest voxel",
    "RobustMeanAbsoluteDeviation": "mean distance from the mean brightness, without extremes",
    "RootMeanSquared": "root mean square of brightness",
    "Skewness": "asymmetry of brightness (skewness)",
    "StandardDeviation": "spread of brightness (SD)",
    "Uniformity": "evenness of brightness (uniformity)",
    "Variance": "spread of brightness (variance)",
}
_NEIGHBORS = {
    "Autocorrelation": "brightness that neighbors share (autocorrelation)",
    "JointAverage": "mean brightness of neighbors",
    "ClusterProminence": "extremes among pairs of neighbors (cluster prominence)",
    "ClusterShade": "asymmetry of pairs of neighbors (cluster shade)",
    "ClusterTendency": "tendency of similar voxels to cluster",
    "Contrast": "contrast between neighbors",
    "Correlation": "correlation between neighbors",
    "DifferenceAverage": "mean difference between neighbors",
    "DifferenceEntropy": "variety of the differences between neighbors",
    "DifferenceVariance": "spread of the differences between neighbors",
    "Dissimilarity": "dissimilarity of neighbors",
    "Id": "similarity of neighbors (inverse difference)",
    "Idn": "similarity of neighbors (inverse difference, normalized)",
    "Idm": "similarity of neighbors (inverse difference moment)",
    "Idmn": "similarity of neighbors (inverse difference moment, normalized)",
    "Imc1": "information that neighbors share (IMC 1; strongest when lowest)",
    "Imc2": "information that neighbors share (IMC 2)",
    "InverseVariance": "similarity of neighbors that differ (inverse variance)",
    "JointEnergy": "repetition of the same pairs of neighbors (energy)",
    "JointEntropy": "variety of the pairs of neighbors (entropy)",
    "MCC": "orderliness of the pairs of neighbors (maximal correlation)",
    "MaximumProbability": "share of the most frequent pair of neighbors",
    "SumAverage": "mean of the summed brightness of neighbors",
    "SumEntropy": "variety of the summed brightness of neighbors",
    "SumSquares": "spread of brightness among neighbors (sum of squares)",
}
_DEPENDENCE = {
    "DependenceEntropy": "variety of gray levels and similarity to neighbors (entropy)",
    "DependenceNonUniformity": "unevenness of similarity to neighbors (grows with volume)",
    "DependenceNonUniformityNormalized": "unevenness of similarity to neighbors, normalized",
    "DependenceVariance": "spread of similarity to neighbors",
    "GrayLevelNonUniformity": "unevenness of gray levels over voxels (grows with volume)",
    "GrayLevelVariance": "spread of gray levels",
    "HighGrayLevelEmphasis": "weight of bright voxels",
    "LowGrayLevelEmphasis": "weight of dark voxels",
    "LargeDependenceEmphasis": "evenness: voxels similar to their surroundings",
    "LargeDependenceHighGrayLevelEmphasis": "bright, even parts",
    "LargeDependenceLowGrayLevelEmphasis": "dark, even parts",
    "SmallDependenceEmphasis": "unevenness: voxels unlike their surroundings",
    "SmallDependenceHighGrayLevelEmphasis": "bright, uneven parts",
    "SmallDependenceLowGrayLevelEmphasis": "dark, uneven parts",
}
_RUNS = {
    "GrayLevelNonUniformity": "unevenness of gray levels over lines (grows with volume)",
    "GrayLevelNonUniformityNormalized": "unevenness of gray levels over lines, normalized",
    "GrayLevelVariance": "spread of gray levels over lines",
    "HighGrayLevelRunEmphasis": "weight of bright lines",
    "LowGrayLevelRunEmphasis": "weight of dark lines",
    "LongRunEmphasis": "long lines of equal voxels (coarse texture)",
    "LongRunHighGrayLevelEmphasis": "long bright lines",
    "LongRunLowGrayLevelEmphasis": "long dark lines",
    "RunEntropy": "variety of lines of equal voxels (entropy)",
    "RunLengthNonUniformity": "unevenness of line lengths (grows with volume)",
    "RunLengthNonUniformityNormalized": "unevenness of line lengths, normalized",
    "RunPercentage": "number of lines in relation to voxels (fine texture)",
    "RunVariance": "spread of line lengths",
    "ShortRunEmphasis": "short lines of equal voxels (fine texture)",
    "ShortRunHighGrayLevelEmphasis": "short bright lines",
    "ShortRunLowGrayLevelEmphasis": "short dark lines",
}
_ZONES = {
    "GrayLevelNonUniformity": "unevenness of gray levels over zones (grows with volume)",
    "GrayLevelNonUniformityNormalized": "unevenness of gray levels over zones, normalized",
    "GrayLevelVariance": "spread of gray levels over zones",
    "HighGrayLevelZoneEmphasis": "weight of bright zones",
    "LowGrayLevelZoneEmphasis": "weight of dark zones",
    "LargeAreaEmphasis": "large zones of equal voxels (coarse texture)",
    "LargeAreaHighGrayLevelEmphasis": "large bright zones",
    "LargeAreaLowGrayLevelEmphasis": "large dark zones",
    "SizeZoneNonUniformity": "unevenness of zone sizes (grows with volume)",
    "SizeZoneNonUniformityNormalized": "unevenness of zone sizes, normalized",
    "SmallAreaEmphasis": "small zones of equal voxels (fine texture)",
    "SmallAreaHighGrayLevelEmphasis": "small bright zones",
    "SmallAreaLowGrayLevelEmphasis": "small dark zones",
    "ZoneEntropy": "variety of zones of equal voxels (entropy)",
    "ZonePercentage": "number of zones in relation to voxels (fine texture)",
    "ZoneVariance": "spread of zone sizes",
}
_COARSENESS = {
    "Busyness": "busyness: quick changes from voxel to voxel",
    "Coarseness": "coarseness: slow changes over the region",
    "Complexity": "complexity: many sharp changes",
    "Contrast": "contrast over short distances",
    "Strength": "strength: patterns that are easy to see",
}
_FEATURES: dict[str, dict[str, str]] = {
    "shape": _SHAPE, "firstorder": _BRIGHTNESS, "glcm": _NEIGHBORS, "gldm": _DEPENDENCE, "glrlm": _RUNS,
    "glszm": _ZONES, "ngtdm": _COARSENESS,
}  # fmt: skip
_NO_UNIT = {"Entropy", "Kurtosis", "Skewness", "Uniformity"}
_SQUARED = {"Energy", "Variance"}
_SHAPE_UNITS = {"MeshVolume": "mm³", "VoxelVolume": "mm³", "SurfaceArea": "mm²", "SurfaceVolumeRatio": "1/mm"}


@dataclass(frozen=True)
class FeatureName:
    """The parts of the name of a feature.

    Attributes:
        image_type: key in the catalogue of image types; ``OTHER`` for a name that is not from PyRadiomics.
        variant: which image of the type, e.g. ``LLH`` or ``sigma-3-0-mm-3D``; empty if there is only one.
        kind: feature class, e.g. ``glcm``; ``OTHER`` as above.
        feature: what is measured, e.g. ``Idmn``; the whole name as above.
    """

    image_type: str
    variant: str
    kind: str
    feature: str


def parse_feature_name(name: str) -> FeatureName:
    """Split the name of a feature into its parts.

    Example:
        >>> parse_feature_name("wavelet-LLH_glcm_Idmn")
        FeatureName(image_type='Wavelet', variant='LLH', kind='glcm', feature='Idmn')
    """
    parts = name.split("_", 2)
    if len(parts) == 3:
        image, _, variant = parts[0].partition("-")
        image_type = _LBP.get(variant[:2]) if image == "lbp" else _IMAGES.get(image)
        if image_type and parts[1] in _FEATURES:
            return FeatureName(image_type, variant, parts[1], parts[2])
    return FeatureName(OTHER, "", OTHER, name)


def in_words(name: str) -> str:
    """What a feature measures, and in which image; a name that is not from PyRadiomics is returned unchanged.

    Example:
        >>> in_words("wavelet-LLH_glcm_Contrast")
        'contrast between neighbors, in detail from head to foot (wavelet LLH)'
    """
    parsed = parse_feature_name(name)
    if parsed.kind == OTHER:
        return name
    what = _FEATURES[parsed.kind].get(parsed.feature, parsed.feature)
    where = "" if parsed.kind == "shape" else _place(parsed)
    return f"{what}, {where}" if where else what


def unit_of(name: str) -> str:
    """Unit of a feature's values: HU, mm and their powers, otherwise ``no unit``.

    The values of a filtered image are gray values without a physical unit.
    """
    parsed = parse_feature_name(name)
    if parsed.kind == "shape":
        long = parsed.feature.endswith(("Diameter", "Length", "DiameterSlice", "DiameterColumn", "DiameterRow"))
        return _SHAPE_UNITS.get(parsed.feature, "mm" if long else "no unit")
    if parsed.kind != "firstorder" or parsed.feature in _NO_UNIT:
        return "no unit"
    gray = "HU" if parsed.image_type == "Original" else "filtered gray value"
    if parsed.feature == "TotalEnergy":
        return f"{gray}² · mm³"
    return f"{gray}²" if parsed.feature in _SQUARED else gray


def _place(parsed: FeatureName) -> str:
    """The image in which a feature is measured, as the end of a phrase such as "contrast between neighbors, …"."""
    if parsed.image_type == "Wavelet":
        along = [way for letter, way in zip(parsed.variant, _DIRECTIONS, strict=False) if letter == "H"]
        detail = f"in detail from {' and '.join(along)}" if along else "in the smoothed image"
        if len(along) == len(_DIRECTIONS):
            detail = "in detail in every direction"
        return f"{detail} (wavelet {parsed.variant})"
    if parsed.image_type == "LoG":
        sigma = re.match(r"sigma-(\d+)-(\d+)-mm", parsed.variant)
        size = f"{float('.'.join(sigma.groups())):g} mm" if sigma else parsed.variant
        return f"in blobs and edges of about σ {size} (LoG)"
    if parsed.image_type == "LBP3D":
        part = _OTHER_PLACES.get(parsed.variant.rpartition("-")[2], "LBP 3D")
        return f"in the fine pattern in space ({part})"
    return _PLACES[parsed.image_type]
