"""Small steps that all members with a network share."""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from espark.types import BoolArray, DoubleArray

Network = TypeVar("Network", bound=nn.Module)


def log_odds(logits: Tensor) -> Tensor:
    """(rows,) log-odds of the outcome from logits (rows, 2)."""
    return logits[:, 1] - logits[:, 0]


def usable_log_odds(logits: Tensor, usable: BoolArray) -> DoubleArray:
    """(rows,) log-odds of the outcome from logits (rows, 2), NaN where a row is not usable (rows,)."""
    return np.where(usable, log_odds(logits).double().numpy(), np.nan)


def in_double(network: Network) -> Network:
    """A copy in double precision, which is not trained further."""
    return copy.deepcopy(network).double().eval().requires_grad_(False)
