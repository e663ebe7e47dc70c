"""IBSI-1 reference values and the PyRadiomics features that are the same quantity.

Source: Zwanenburg et al., The Image Biomarker Standardization Initiative, Radiology 295 (2020) 328–338. The values
are the consensus for the digital phantom and the CT phantom, with the tolerance within which an implementation agrees.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

_SHAPE = {
    "MeshVolume": "morph_volume",
    "VoxelVolume": "morph_vol_approx",
    "SurfaceArea": "morph_area_mesh",
    "SurfaceVolumeRatio": "morph_av",
    "Sphericity": "morph_sphericity",
    "Maximum3DDiameter": "morph_diam",
    "MajorAxisLength": "morph_pca_maj_axis",
    "MinorAxisLength": "morph_pca_min_axis",
    "LeastAxisLength": "morph_pca_least_axis",
    "Elongation": "morph_pca_elongation",
    "Flatness": "morph_pca_flatness",
}
_FIRST_ORDER = {
    "Mean": "stat_mean",
    "Variance": "stat_var",
    "Skewness": "stat_skew",
    "Kurtosis": "stat_kurt",
    "Median": "stat_median",
    "Minimum": "stat_min",
    "10Percentile": "stat_p10",
    "90Percentile": "stat_p90",
    "Maximum": "stat_max",
    "InterquartileRange": "stat_iqr",
    "Range": "stat_range",
    "MeanAbsoluteDeviation": "stat_mad",
    "RobustMeanAbsoluteDeviation": "stat_rmad",
    "Energy": "stat_energy",
    "RootMeanSquared": "stat_rms",
    "Entropy": "ih_entropy",
    "Uniformity": "ih_uniformity",
}
_GLCM = {
    "MaximumProbability": "joint_max",
    "JointAverage": "joint_avg",
    "SumSquares": "joint_var",
    "JointEntropy": "joint_entr",
    "DifferenceAverage": "diff_avg",
    "DifferenceVariance": "diff_var",
    "DifferenceEntropy": "diff_entr",
    "SumAverage": "sum_avg",
    "ClusterTendency": "clust_tend",
    "SumEntropy": "sum_entr",
    "JointEnergy": "energy",
    "Contrast": "contrast",
    "Id": "inv_diff",
    "Idn": "inv_diff_norm",
    "Idm": "inv_diff_mom",
    "Idmn": "inv_diff_mom_norm",
    "InverseVariance": "inv_var",
    "Correlation": "corr",
    "Autocorrelation": "auto_corr",
    "ClusterShade": "clust_shade",
    "ClusterProminence": "clust_prom",
    "Imc1": "info_corr1",
    "Imc2": "info_corr2",
}
_GLRLM = {
    "ShortRunEmphasis": "sre",
    "LongRunEmphasis": "lre",
    "LowGrayLevelRunEmphasis": "lgre",
    "HighGrayLevelRunEmphasis": "hgre",
    "ShortRunLowGrayLevelEmphasis": "srlge",
    "ShortRunHighGrayLevelEmphasis": "srhge",
    "LongRunLowGrayLevelEmphasis": "lrlge",
    "LongRunHighGrayLevelEmphasis": "lrhge",
    "GrayLevelNonUniformity": "glnu",
    "GrayLevelNonUniformityNormalized": "glnu_norm",
    "RunLengthNonUniformity": "rlnu",
    "RunLengthNonUniformityNormalized": "rlnu_norm",
    "RunPercentage": "r_perc",
    "GrayLevelVariance": "gl_var",
    "RunVariance": "rl_var",
    "RunEntropy": "rl_entr",
}
_GLSZM = {
    "SmallAreaEmphasis": "sze",
    "LargeAreaEmphasis": "lze",
    "LowGrayLevelZoneEmphasis": "lgze",
    "HighGrayLevelZoneEmphasis": "hgze",
    "SmallAreaLowGrayLevelEmphasis": "szlge",
    "SmallAreaHighGrayLevelEmphasis": "szhge",
    "LargeAreaLowGrayLevelEmphasis": "lzlge",
    "LargeAreaHighGrayLevelEmphasis": "lzhge",
    "GrayLevelNonUniformity": "glnu",
    "GrayLevelNonUniformityNormalized": "glnu_norm",
    "SizeZoneNonUniformity": "zsnu",
    "SizeZoneNonUniformityNormalized": "zsnu_norm",
    "ZonePercentage": "z_perc",
    "GrayLevelVariance": "gl_var",
    "ZoneVariance": "zs_var",
    "ZoneEntropy": "zs_entr",
}
_GLDM = {
    "SmallDependenceEmphasis": "lde",
    "LargeDependenceEmphasis": "hde",
    "LowGrayLevelEmphasis": "lgce",
    "HighGrayLevelEmphasis": "hgce",
    "SmallDependenceLowGrayLevelEmphasis": "ldlge",
    "SmallDependenceHighGrayLevelEmphasis": "ldhge",
    "LargeDependenceLowGrayLevelEmphasis": "hdlge",
    "LargeDependenceHighGrayLevelEmphasis": "hdhge",
    "GrayLevelNonUniformity": "glnu",
    "DependenceNonUniformity": "dcnu",
    "DependenceNonUniformityNormalized": "dcnu_norm",
    "GrayLevelVariance": "gl_var",
    "DependenceVariance": "dc_var",
    "DependenceEntropy": "dc_entr",
}
_NGTDM = {name: name.lower() for name in ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")}

_AXES = ("MajorAxisLength", "MinorAxisLength", "LeastAxisLength")

CONVERSIONS: dict[str, Callable[[float, int], float]] = {
    # PyRadiomics gives the kurtosis, IBSI the excess kurtosis.
    "firstorder_Kurtosis": lambda kurtosis, voxels: kurtosis - 3,
    # PyRadiomics divides the covariance of the voxels' positions by n, IBSI by n − 1: seen in small regions only.
    **{f"shape_{name}": lambda axis, voxels: axis * float(np.sqrt(voxels / (voxels - 1))) for name in _AXES},
}
"""What is done to a PyRadiomics value (given the number of voxels) before it is compared; nothing to all others."""


def reference_values(file: Path) -> dict[str, tuple[float, float]]:
    """By IBSI tag: consensus value and tolerance. Tags without a consensus are left out."""
    with file.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter=";"))
    return {
        row["tag"]: (float(row["reference value"]), float(row["tolerance"])) for row in rows if row["reference value"]
    }


def matching_tags(flat: bool) -> dict[str, str]:
    """By PyRadiomics feature (``<class>_<name>``): the IBSI tag of the same quantity.

    Args:
        flat: whether texture was computed within slices (IBSI 2.5D) instead of in 3-D.
    """
    by_angle, whole = ("_2_5D_avg", "_2_5D") if flat else ("_3D_avg", "_3D")
    tags = {f"shape_{name}": tag for name, tag in _SHAPE.items()}
    tags |= {f"firstorder_{name}": tag for name, tag in _FIRST_ORDER.items()}
    tags |= {f"glcm_{name}": f"cm_{tag}{by_angle}" for name, tag in _GLCM.items()}
    tags |= {f"glrlm_{name}": f"rlm_{tag}{by_angle}" for name, tag in _GLRLM.items()}
    tags |= {f"glszm_{name}": f"szm_{tag}{whole}" for name, tag in _GLSZM.items()}
    tags |= {f"gldm_{name}": f"ngl_{tag}{whole}" for name, tag in _GLDM.items()}
    return tags | {f"ngtdm_{name}": f"ngt_{tag}{whole}" for name, tag in _NGTDM.items()}
