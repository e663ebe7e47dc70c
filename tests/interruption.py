"""Long work that is killed in the middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def killed_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, until it is called for the ``call``-th time: then it is as if the user had pressed Ctrl-C."""
    calls = 0

    def killed(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return function(*arguments)

    return killed
