"""The version of espark, stated only here, and how a public name is removed in a later version.

``docs/releases.md`` describes both.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__version__ = "0.1.0"

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

REMOVED_IN: dict[str, str] = {}
"""The version that removes each deprecated name; a test fails when this version has come."""


def deprecated(
    name: str, *, use: str, removed_in: str
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Mark a public function as deprecated: every call warns.

    Args:
        name: the public name, as the reference lists it.
        use: what to use instead.
        removed_in: the version that removes it, at least one minor version later.

    Example:
        >>> @deprecated("espark.old", use="espark.new", removed_in="9.0")
        ... def old() -> int:
        ...     return 1
        >>> with warnings.catch_warnings(record=True) as seen:
        ...     warnings.simplefilter("always")
        ...     old(), str(seen[0].message)
        (1, 'espark.old is deprecated and will be removed in version 9.0; use espark.new instead')
    """
    REMOVED_IN[name] = removed_in

    def marked(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        @functools.wraps(function)
        def warning(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
            text = f"{name} is deprecated and will be removed in version {removed_in}; use {use} instead"
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        return warning

    return marked
