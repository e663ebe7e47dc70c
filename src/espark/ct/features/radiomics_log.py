"""The log of PyRadiomics, which gives the reasons for missing features."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class RadiomicsLog(logging.Handler):
    """Keeps the log messages of PyRadiomics, because it does not raise the errors of single features."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.messages.append(record.getMessage())

    def reasons(self) -> dict[str, str]:
        """The last line of the traceback of each feature."""
        found = {}
        for message in self.messages:
            if where := re.search(r"in get(\w+)FeatureValue", message):
                found[where.group(1)] = f"PyRadiomics failed: {message.strip().splitlines()[-1]}"
        return found


@contextmanager
def quiet() -> Iterator[RadiomicsLog]:
    """Collect the log of PyRadiomics, and hide its warnings (deprecated calls, 0/0) from the user."""
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
