"""Arrays, bags and pairs of them, as estimators are handed them, to model inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from espark.errors import EstimatorError
from espark.training.inputs import Bag, Inputs
from espark.types import SCALES, AnyArray, FloatArray, Scale


def inputs_of_table(values: AnyArray, names: AnyArray | None) -> Inputs:
    """Patients with radiomics alone.

    Args:
        values: (patients, features), NaN where a feature is missing.
        names: of the features, ``<scale>__<feature>``; None, or names of another kind, for one scale.
    """
    return _inputs(values.astype(np.float32), names, (None,) * len(values))


def inputs_of_bags(bags: Sequence[Bag | None]) -> Inputs:
    """Patients with slides alone."""
    return _inputs(np.zeros((len(bags), 0), np.float32), None, tuple(bags))


def inputs_of_pairs(
    pairs: Sequence[Any], *, names: AnyArray | None = None, dim: int | None = None
) -> tuple[Inputs, AnyArray]:
    """Patients with radiomics, slides or both.

    Args:
        pairs: of each patient, the radiomics (features,) or None, and the bag or None.
        names: names of the features that were trained on; those of the first patient with radiomics when None.
        dim: length of the tile vectors that were trained on; that of the first bag when None.

    Returns:
        The inputs, and the names of the features.

    Raises:
        EstimatorError: with the first patient that is not such a pair, or does not fit the others.
    """
    for index, pair in enumerate(pairs):
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise EstimatorError(
                "this is not a pair", where=f"patient {index}", expected="(radiomics, bag), either may be None"
            )
    rows = [None if row is None else pd.Series(row) for row, _ in pairs]
    if names is None:
        names = next((row.index.to_numpy() for row in rows if row is not None), np.zeros(0, object))
    radiomics = np.full((len(rows), len(names)), np.nan, np.float32)
    for index, row in enumerate(rows):
        if row is None:
            continue
        if list(row.index) != list(names):
            raise EstimatorError(
                f"{len(row)} radiomic features", where=f"patient {index}", expected=f"the {len(names)} of the others"
            )
        radiomics[index] = row.to_numpy(np.float32)
    if np.isinf(radiomics).any():
        raise EstimatorError(
            "a radiomic feature is infinite", where=f"patient {np.isinf(radiomics).any(axis=1).argmax()}"
        )
    return _inputs(radiomics, names, bags_of([bag for _, bag in pairs], dim=dim)), names


def bags_of(bags: Sequence[Any], *, dim: int | None = None) -> tuple[Bag | None, ...]:
    """Check the bags of patients.

    Args:
        bags: of each patient an array (tiles, dim), a pair of it and the similarity (tiles, cell types), a `Bag`, or
            None.
        dim: length of a tile vector; that of the first bag when None.

    Raises:
        EstimatorError: with the first bag that is none, or does not fit the others.
    """
    read: list[Bag | None] = []
    for index, given in enumerate(bags):
        bag = _bag(given, f"bag {index}")
        if bag is not None:
            dim = bag.features.shape[1] if dim is None else dim
            if bag.features.shape[1] != dim:
                raise EstimatorError(
                    f"tile vectors of length {bag.features.shape[1]}", where=f"bag {index}", expected=f"length {dim}"
                )
        read.append(bag)
    if len({bag.similarity is None for bag in read if bag is not None}) > 1:
        raise EstimatorError("some bags come with a similarity and some without", expected="all, or none of them")
    return tuple(read)


def _bag(given: Any, where: str) -> Bag | None:
    if given is None:
        return None
    if isinstance(given, Bag):
        return given
    features, similarity = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    tiles = _matrix(features, where)
    if similarity is None:
        return Bag(tiles, None)
    likeness = _matrix(similarity, where)
    if len(likeness) != len(tiles):
        raise EstimatorError(f"{len(tiles)} tiles with {len(likeness)} rows of similarity", where=where)
    return Bag(tiles, likeness)


def _matrix(values: Any, where: str) -> FloatArray:
    try:
        # A copy: torch must be able to write where it looks.
        matrix: FloatArray = np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EstimatorError("this is not an array of numbers", where=where, expected="(tiles, dim)") from error
    if matrix.ndim != 2:
        raise EstimatorError(f"an array with {matrix.ndim} axes", where=where, expected="(tiles, dim)")
    if not np.isfinite(matrix).all():
        raise EstimatorError("a tile vector is not finite", where=where)
    return matrix


def _inputs(radiomics: FloatArray, names: AnyArray | None, bags: tuple[Bag | None, ...]) -> Inputs:
    """Features of one scale are side by side, in any order of the table's columns."""
    labels = [str(name) for name in (range(radiomics.shape[1]) if names is None else names)]
    of_scale = {scale: [i for i, label in enumerate(labels) if _scale_of(label) == scale] for scale in SCALES}
    scales = tuple(scale for scale in SCALES if of_scale[scale])
    order = [index for scale in scales for index in of_scale[scale]]
    feature_names = tuple(tuple(labels[i].removeprefix(f"{scale}__") for i in of_scale[scale]) for scale in scales)
    ids = tuple(str(index) for index in range(len(radiomics)))
    return Inputs(ids, scales, feature_names, radiomics[:, order], bags)


def _scale_of(name: str) -> Scale:
    """The scale in a feature's name; a name without one is of the tumor."""
    return next((scale for scale in SCALES if name.startswith(f"{scale}__")), "tumor")
