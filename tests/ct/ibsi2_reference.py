"""IBSI-2 reference values of the filters that can be expressed here, and the PyRadiomics features that they belong to.

Source: Whybra et al., The Image Biomarker Standardization Initiative: Standardized Convolutional Filters for
Reproducible Radiomics and Enhanced Clinical Insights, Radiology 310 (2024) e231319; table `reference_values.csv` of
theibsi/ibsi_2_reference_data. The values are the consensus for the CT phantom of IBSI-1 in configurations A (within
slices, on the grid of the phantom) and B (3-D, on voxels of 1 mm), each with the tolerance within which an
implementation agrees.
"""

from __future__ import annotations

FEATURES = (
    "Mean", "Variance", "Skewness", "Kurtosis", "Median", "Minimum", "10Percentile", "90Percentile", "Maximum",
    "InterquartileRange", "Range", "MeanAbsoluteDeviation", "RobustMeanAbsoluteDeviation", "Energy",
    "RootMeanSquared",
)  # fmt: skip
"""PyRadiomics' names, in the order of the values. Not in PyRadiomics: median absolute deviation, coefficient of
variation, quartile coefficient of dispersion."""

CONSENSUS: dict[str, tuple[tuple[float, float], ...]] = {
    "1.A": (
        (-47, 4.6), (53300, 2000), (-2.17, 0.07), (3.65, 0.34), (41, 0.6), (-1000, 10), (-434, 21), (93, 0.1),
        (377, 10), (69, 6.4), (1380, 10), (160, 5), (64.4, 5.8), (6.96e9, 4.5e8), (236, 5),
    ),
    "1.B": (
        (-46.4, 5.9), (52600, 2800), (-2.18, 0.09), (3.71, 0.47), (41, 0.7), (-997, 3), (-427, 29), (92, 0.1),
        (377, 15), (67, 9.1), (1370, 20), (159, 7), (63.6, 7.3), (1.96e10, 1.9e9), (234, 7),
    ),
    "3.A": (
        (-2.44, 0.12), (556, 24), (0.295, 0.027), (7.02, 0.3), (-0.585, 0.012), (-178, 1), (-27.1, 0.5), (13.2, 1.3),
        (191, 1), (8.74, 0.19), (369, 2), (13.2, 0.3), (4.98, 0.16), (70300000, 4200000), (23.7, 0.5),
    ),
    "3.B": (
        (-2.94, 0.2), (720, 33), (0.428, 0.009), (6.13, 0.27), (-0.919, 0.024), (-173, 5), (-32.2, 0.5), (17.4, 1.9),
        (204, 1), (11.4, 0.3), (377, 5), (15.5, 0.4), (6.37, 0.19), (2.61e8, 1.9e7), (27, 0.6),
    ),
    "6.A": (
        (-0.185, 0.025), (427, 11), (0.0837, 0.0188), (7.72, 0.24), (0.0456, 0.0041), (-245, 2), (-18.8, 0.4),
        (17.7, 0.4), (202, 2), (15.8, 0.1), (447, 3), (13, 0.2), (6.82, 0.08), (53500000, 2e6), (20.7, 0.3),
    ),
    "6.B": (
        (-0.182, 0.024), (250, 9), (0.157, 0.018), (8.98, 0.35), (0.0575, 0.0046), (-148, 1), (-13.8, 0.5),
        (12.1, 0.4), (155, 1), (9.35, 0.15), (303, 2), (9.26, 0.22), (4.21, 0.09), (89600000, 5300000), (15.8, 0.3),
    ),
    "7.A": (
        (0.245, 0.03), (1910, 40), (0.0469, 0.0072), (6.22, 0.16), (0.0675, 0.0061), (-349, 7), (-39.6, 1),
        (40.5, 0.9), (352, 4), (28.8, 0.4), (701, 9), (26.9, 0.4), (13, 0.2), (2.39e8, 9e6), (43.7, 0.6),
    ),
    "7.B": (
        (-0.0406, 0.0051), (422, 11), (-0.0112, 0.0027), (5.45, 0.09), (-0.0164, 0.0013), (-203, 3), (-20.6, 0.4),
        (20.4, 0.4), (201, 4), (16.3, 0.2), (404, 7), (13.4, 0.2), (7.2, 0.1), (1.51e8, 7e6), (20.6, 0.3),
    ),
}  # fmt: skip
"""By configuration, consensus value and tolerance of each of `FEATURES`."""
