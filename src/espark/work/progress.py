"""Progress of long work: a bar with counts and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[], None]

logger = logging.getLogger("espark")

_SECONDS_BETWEEN_LINES = 15.0


@dataclass(frozen=True)
class Reporter:
    """Says how far long work is.

    Attributes:
        verbosity: ``quiet`` prints nothing; ``verbose`` also logs each item.
    """

    verbosity: Literal["quiet", "normal", "verbose"] = "normal"

    @contextlib.contextmanager
    def track(self, what: str, total: int) -> Iterator[Advance]:
        """Show progress over ``total`` pieces of work; the function it yields is called after each piece."""
        if self.verbosity == "quiet" or total == 0:
            yield lambda: None
        elif sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
                task = bar.add_task(what, total=total)
                yield lambda: bar.advance(task)
        else:
            yield _LineProgress(self, what, total)

    def say(self, message: str) -> None:
        """One line for the person who waits."""
        if self.verbosity != "quiet":
            logger.info(message)

    def detail(self, message: str) -> None:
        """One line for the person who asked for details."""
        if self.verbosity == "verbose":
            logger.info(message)


class _LineProgress:
    def __init__(self, reporter: Reporter, what: str, total: int):
        self.reporter, self.what, self.total = reporter, what, total
        self.done = 0
        self.start = self.last = time.monotonic()

    def __call__(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.last >= _SECONDS_BETWEEN_LINES or self.done == self.total:
            self.last = now
            left = (now - self.start) / self.done * (self.total - self.done)
            elapsed = f"{now - self.start:.0f} s elapsed"
            self.reporter.say(f"{self.what}: {self.done}/{self.total}, {elapsed}, about {left:.0f} s left")
