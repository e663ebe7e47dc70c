"""Ctrl-C and SIGTERM: the command ends with all its workers, and says what is done and how to go on."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from espark.errors import Interrupted
from espark.machine.processes import wait_for_end_of_parent

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_BETWEEN_LOOKS = 1.0


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise :class:`Interrupted` in the main thread. A second signal ends the process at once.

    Raises:
        Interrupted: when a signal came.
    """
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    # The semaphores of workers that are killed are freed by joblib's own process, which would print a warning for each.
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), quiet]))
    try:
        yield
    except Interrupted:
        end_workers()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    raise Interrupted(number)


def end_workers() -> None:
    """Kill the worker processes of this process. A worker that may finish its job first outlives the command."""
    if "joblib" not in sys.modules:
        return  # nothing that could have started a worker, and half a second to load
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(kill_workers=True, reuse=True).shutdown(wait=True, kill_workers=True)


@functools.cache
def bound_to_parent() -> None:
    """In a worker process: leave Ctrl-C to the command, and end when the command has ended, however it ended."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    wait_for_end_of_parent(parent, _SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def how_to_go_on(stop: Interrupted) -> str:
    """One sentence for the person who stopped a command: what is done, and what to run."""
    during = f" during `{stop.step}`" if stop.step else ""
    progress = f" ({stop.progress})" if stop.progress else ""
    command = shlex.join([Path(sys.argv[0]).name.replace("__main__.py", "espark"), *sys.argv[1:]])
    kept = "What is done is kept; to go on, run" if stop.step else "To start again, run"
    return f"stopped by {stop}{during}{progress}. {kept} `{command}`."
