"""What looks wrong in the values of a column: one level written in two ways, or codes for a missing value."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from espark.types import DoubleArray

_DECIMALS = re.compile(r"(?<=\d)\.0+$")
_LETTERS_AND_NUMBER = re.compile(r"[a-z]+(\d+)")
_CODES = frozenset(
    {9.0}
    | {float(str(digit) * width) for digit in (7, 8, 9) for width in range(2, 7)}
    | {10.0**width - step for step in (2, 3) for width in range(2, 7)}
)
"""9, 99, 999 and so on, 77, 88 and so on, 97, 98, 997, 998 and so on; each may be negative too, and so may 1."""
_FEWEST_VALUES, _FEWEST_LEVELS = 6, 5
_FAR, _VERY_FAR, _FARTHEST = 0.3, 1.5, 3.0
"""Distances from all other values, as a share of the range of those values."""


def levels_written_differently(levels: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of levels that are probably the same. They differ by case, spaces, ``.0``, or letters before a number.

    Example:
        >>> levels_written_differently(["T3", "t3", "3.0", "T2", "none"])
        [('T3', 't3', '3.0')]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for level in levels:
        groups[_plain(level)].append(level)
    for spelling in list(groups):
        lettered = _LETTERS_AND_NUMBER.fullmatch(spelling)
        if lettered and lettered[1] in groups and lettered[1] != spelling:
            groups[spelling] += groups.pop(lettered[1])
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _plain(level: str) -> str:
    text = "".join(unicodedata.normalize("NFKC", level).casefold().split())
    return _DECIMALS.sub("", text)


def values_like_codes(values: DoubleArray) -> list[tuple[float, int]]:
    """Numbers that are probably codes for a missing value, and how often each appears.

    They lie at one end of the values, far from all others. For 99, 999, −9 and similar codes, the distance is a share
    of the range of the others; it must be larger when a code is short or appears once. A negative code counts when no
    other value is negative. Any other number counts only when it is repeated and very far from the others.

    Args:
        values: a column, NaN where missing.
    """
    known = values[np.isfinite(values)]
    counts = Counter(known.tolist())
    rising = sorted(counts)
    found = {*_codes_at_the_end(rising, counts), *_codes_at_the_end(rising[::-1], counts)}
    return sorted((value, counts[value]) for value in found)


def _codes_at_the_end(levels: list[float], counts: Counter[float]) -> list[float]:
    """The last levels, from the first one that lies far from all before it. 998 and 999 may be found together."""
    found: list[float] = []
    for first in range(len(levels) - 1, 0, -1):
        others, end = levels[:first], levels[first:]
        if sum(counts[value] for value in others) < _FEWEST_VALUES:
            break
        if len(end) > 1 and not all(map(_is_code, end)):
            break
        width, gap = abs(others[-1] - others[0]), abs(end[0] - others[-1])
        if gap > _least_gap(end, others, counts) * max(width, 1.0):
            found = end
    return found


def _is_code(value: float) -> bool:
    return value in _CODES or -value in _CODES or value == -1.0


def _least_gap(end: list[float], others: list[float], counts: Counter[float]) -> float:
    """The least distance of codes at the end from the other values, as a share of the range of the others."""
    repeats = sum(counts[value] for value in end)
    if not all(map(_is_code, end)):
        return _VERY_FAR if repeats > 2 and len(others) >= _FEWEST_LEVELS else math.inf
    if end[0] < 0 <= min(others):
        return 0.0
    size = abs(end[0])
    if repeats >= 2:
        return _FAR if size >= 10 else _FARTHEST
    return 1.0 if size >= 100 else _FARTHEST if size >= 10 else math.inf
