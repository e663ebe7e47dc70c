"""CT attributions summed by scale, image type and feature class, over the patients of a cohort."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from espark.ct.features.feature_words import CLASS_TITLES, IMAGE_TITLES, parse_feature_name
from espark.statistics.estimate import Estimate
from espark.statistics.overlap import mean_estimate
from espark.types import BoolArray, DoubleArray

ALL = "all"
"""Value in a column of the table of groups when the group contains every image type, class or patient."""

GROUP_COLUMNS = [
    "cohort", "scale", "image_type", "feature_class", "n", "n_features", "signed", "signed_ci_low", "signed_ci_high",
    "absolute", "absolute_ci_low", "absolute_ci_high", "share",
]  # fmt: skip


@dataclass(frozen=True)
class FeatureGroup:
    """Features that are summed together.

    Attributes:
        scale: tumor, esophagus or another scale.
        image_type: key of the image type; ``ALL`` for all of them.
        feature_class: key of the class; ``ALL`` for all of them.
        members: (features,) True for the features of the group.
    """

    scale: str
    image_type: str
    feature_class: str
    members: BoolArray


def feature_table(scales: Sequence[str], feature_names: Sequence[Sequence[str]]) -> pd.DataFrame:
    """One row per feature, scale after scale: ``scale``, ``feature``, ``image_type``, ``feature_class``."""
    rows = [
        (scale, name, parsed.image_type, parsed.kind)
        for scale, names in zip(scales, feature_names, strict=True)
        for name in names
        for parsed in [parse_feature_name(name)]
    ]
    return pd.DataFrame(rows, columns=["scale", "feature", "image_type", "feature_class"])


def feature_groups(features: pd.DataFrame) -> list[FeatureGroup]:
    """Every group of a :func:`feature_table`: each scale, and in it each image type, each class, and each pair of both.

    Groups without features are left out.
    """
    found = []
    for scale in features["scale"].unique():
        inside = (features["scale"] == scale).to_numpy()
        images = [key for key in IMAGE_TITLES if (inside & (features["image_type"] == key)).any()]
        classes = [key for key in CLASS_TITLES if (inside & (features["feature_class"] == key)).any()]
        pairs = [(image, kind) for image in (ALL, *images) for kind in (ALL, *classes)]
        for image, kind in pairs:
            members = inside.copy()
            if image != ALL:
                members &= (features["image_type"] == image).to_numpy()
            if kind != ALL:
                members &= (features["feature_class"] == kind).to_numpy()
            if members.any():
                found.append(FeatureGroup(str(scale), image, kind, members))
    return found


def group_sums(groups: Sequence[FeatureGroup], values: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """What each group adds to each answer, and how much its features move it in either direction.

    Args:
        groups: the groups.
        values: (patients, features) attributions in log-odds.

    Returns:
        Sums of the attributions and of their absolute values, each (patients, groups).
    """
    chosen = np.array([group.members for group in groups], dtype=np.float64).reshape(len(groups), -1).T
    return values @ chosen, np.abs(values) @ chosen


def cohort_groups(
    features: pd.DataFrame, values: DoubleArray, cohorts: Mapping[str, BoolArray], known: Mapping[str, BoolArray]
) -> pd.DataFrame:
    """The table of groups: mean over the patients of each cohort, with its 95 % interval.

    Args:
        features: one row per feature, as by :func:`feature_table`.
        values: (patients, features) attributions in log-odds.
        cohorts: by name, (patients,) True for its patients.
        known: by scale, (patients,) True when the scale is known; other patients are left out for this scale.

    Returns:
        ``GROUP_COLUMNS``; ``share`` is the group's share of the absolute attribution of all scales.
    """
    groups = feature_groups(features)
    signed, absolute = group_sums(groups, values)
    whole = np.abs(values).sum(axis=1)
    rows = (
        row
        for cohort, inside in cohorts.items()
        for row in _cohort_rows(cohort, inside, groups, signed, absolute, whole, known)
    )
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def _cohort_rows(
    cohort: str,
    inside: BoolArray,
    groups: Sequence[FeatureGroup],
    signed: DoubleArray,
    absolute: DoubleArray,
    whole: DoubleArray,
    known: Mapping[str, BoolArray],
) -> Iterator[tuple[object, ...]]:
    for index, group in enumerate(groups):
        chosen = inside & known[group.scale]
        if not chosen.any():
            continue
        total = float(whole[chosen].sum())
        share = float(absolute[chosen, index].sum()) / total if total > 0 else float("nan")
        yield (
            cohort, group.scale, group.image_type, group.feature_class, int(chosen.sum()), int(group.members.sum()),
            *_interval(mean_estimate(signed[chosen, index])), *_interval(mean_estimate(absolute[chosen, index])), share,
        )  # fmt: skip


def _interval(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.ci_low, estimate.ci_high
