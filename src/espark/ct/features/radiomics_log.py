"""PyRadiomics' log, from which the reasons of missing features are read."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class RadiomicsLog(logging.Handler):
    """Keeps what PyRadiomics logs, for it swallows the errors of single features."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.messages.append(record.getMessage())

    def reasons(self) -> dict[str, str]:
        """By feature: the last line of its traceback."""
        found = {}
        for message in self.messages:
            if where := re.search(r"in get(\w+)FeatureValue", message):
                found[where.group(1)] = f"PyRadiomics failed: {message.strip().splitlines()[-1]}"
        return found


@contextmanager
def quiet() -> Iterator[RadiomicsLog]:
    """Take PyRadiomics' log to ourselves, and keep its warnings (deprecated calls, 0/0) from the user."""
    logger = logging.getLogger("radiomics")
    before = logger.handlers, logger.propagate, logger.level
    log = RadiomicsLog()
    logger.handlers, logger.propagate = [log], False
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (RuntimeWarning, DeprecationWarning, UserWarning):
                warnings.simplefilter("ignore", category)
            yield log
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])
