"""Comparisons within centers, joined over them: no patient is ever compared with one of another center."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

from espark.statistics.auc import AucDifference, auc, delong
from espark.statistics.estimate import ONE_CLASS, Z_95, Estimate, as_labels, as_scores
from espark.statistics.screening import GroupDifference, group_difference
from espark.types import AnyArray, BoolArray, DoubleArray

METHOD = "pairs within strata, weights of van Elteren"


def stratified_difference(y: npt.ArrayLike, values: npt.ArrayLike, strata: Sequence[str]) -> GroupDifference:
    """Van Elteren's test, Mann–Whitney's within each stratum, with the Cliff's delta that goes with it.

    A stratum with n₁ patients of label 1, n₀ of label 0 and N in all weighs n₁ n₀ / (N + 1). The test rests on the same
    weighted sum as delta, so that the two agree. The interval of delta adds up DeLong's variances of the strata; where
    there is one stratum only, test and interval are those of :func:`group_difference`. Patients without a value (NaN)
    and strata with one class are left out.

    Args:
        y: (n,) labels, 0 or 1.
        values: (n,) the quantity.
        strata: (n,) stratum of each patient, such as the center.

    Raises:
        ValueError: when the lengths differ.

    Source: van Elteren, Bull. Int. Stat. Inst. 37:351 (1960).
    """
    labels = as_labels(y)
    quantity = np.asarray(values, dtype=np.float64)
    if quantity.shape != labels.shape:
        raise ValueError(f"{labels.size} labels need as many values, found shape {quantity.shape}")
    known = np.isfinite(quantity)
    names = _names(strata, labels.size)
    parts = list(_parts(labels[known], quantity[known][None], names[known]))
    if not parts:
        return GroupDifference(Estimate.missing(ONE_CLASS, int(known.sum())), math.nan)
    if len(parts) == 1:
        return group_difference(parts[0][0], parts[0][1][0])
    weights = _weights(parts)
    areas = [delong(part_labels, scores) for part_labels, scores in parts]
    delta = 2 * float(weights @ [float(area[0]) for area, _ in areas]) - 1
    error = 2 * math.sqrt(float(weights**2 @ [float(covariance[0, 0]) for _, covariance in areas]))
    n = sum(part_labels.size for part_labels, _ in parts)
    low, high = max(-1.0, delta - Z_95 * error), min(1.0, delta + Z_95 * error)
    return GroupDifference(Estimate(delta, low, high, f"Cliff's delta, {METHOD}", n), _van_elteren(parts))


def _van_elteren(parts: Sequence[tuple[BoolArray, DoubleArray]]) -> float:
    """Two-sided p by the normal approximation, corrected for ties; 1 where nothing varies."""
    total, variance = 0.0, 0.0
    for labels, scores in parts:
        ones, n = int(labels.sum()), labels.size
        ranks = rankdata(scores[0])
        surplus = float(ranks[labels].sum()) - ones * (n + 1) / 2
        _, ties = np.unique(scores[0], return_counts=True)
        tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (n * (n - 1))
        total += surplus / (n + 1)
        variance += ones * (n - ones) / 12 * (n + 1 - tied) / (n + 1) ** 2
    return float(2 * norm.sf(abs(total) / math.sqrt(variance))) if variance > 1e-12 else 1.0


def stratified_auc_difference(
    y: npt.ArrayLike, p_a: npt.ArrayLike, p_b: npt.ArrayLike, strata: Sequence[str]
) -> tuple[Estimate, AucDifference]:
    """AUC of model A over the pairs within strata, and its difference from that of model B on the same patients.

    Strata weigh as in :func:`stratified_difference`; variances are DeLong's. Strata with one class are left out.

    Args:
        y: (n,) labels, 0 or 1.
        p_a: (n,) scores of model A.
        p_b: (n,) scores of model B.
        strata: (n,) stratum of each patient.

    Returns:
        The AUC of A with its interval, and A minus B.
    """
    labels = as_labels(y)
    scores = np.stack([as_scores(p_a, labels.size), as_scores(p_b, labels.size)])
    parts = list(_parts(labels, scores, _names(strata, labels.size)))
    if not parts:
        none = AucDifference(math.nan, math.nan, math.nan, math.nan, ONE_CLASS, labels.size)
        return Estimate.missing(ONE_CLASS, labels.size), none
    weights = _weights(parts)
    found = [delong(part_labels, part_scores) for part_labels, part_scores in parts]
    areas = np.sum([weight * area for weight, (area, _) in zip(weights, found, strict=True)], axis=0)
    covariance = np.sum([weight**2 * part for weight, (_, part) in zip(weights, found, strict=True)], axis=0)
    n = sum(part_labels.size for part_labels, _ in parts)
    half = Z_95 * math.sqrt(max(0.0, covariance[0, 0]))
    area = float(areas[0])
    if len(parts) == 1:
        estimate = auc(parts[0][0], parts[0][1][0])
    else:
        estimate = Estimate(area, max(0.0, area - half), min(1.0, area + half), f"DeLong, {METHOD}", n)
    return estimate, _difference(areas, covariance, n)


def _difference(areas: DoubleArray, covariance: DoubleArray, n: int) -> AucDifference:
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    method = f"DeLong, paired, {METHOD}"
    if variance > 1e-14:
        half = Z_95 * math.sqrt(variance)
        p_value = float(2 * norm.sf(abs(difference) / math.sqrt(variance)))
        return AucDifference(difference, max(-1.0, difference - half), min(1.0, difference + half), p_value, method, n)
    if abs(difference) < 1e-12:
        return AucDifference(0.0, 0.0, 0.0, 1.0, f"{method} (equal ordering)", n)
    return AucDifference(difference, math.nan, math.nan, math.nan, "not available: DeLong variance is zero", n)


def _names(strata: Sequence[str], n: int) -> AnyArray:
    names = np.asarray(strata, dtype=str)
    if names.shape != (n,):
        raise ValueError(f"{n} labels need as many strata, found {names.size}")
    return np.asarray(names)


def _parts(labels: BoolArray, scores: DoubleArray, names: AnyArray) -> Iterator[tuple[BoolArray, DoubleArray]]:
    """Labels and (k, n) scores of each stratum that has both classes, in the order of their names."""
    for name in np.unique(names):
        inside = names == name
        if labels[inside].any() and not labels[inside].all():
            yield labels[inside], scores[:, inside]


def _weights(parts: Sequence[tuple[BoolArray, DoubleArray]]) -> DoubleArray:
    """(strata,) summing to 1."""
    pairs = [labels.sum() * (~labels).sum() / (labels.size + 1) for labels, _ in parts]
    return np.asarray(np.asarray(pairs, dtype=np.float64) / np.sum(pairs), dtype=np.float64)
