"""Another outcome than the default one, and a search for what still speaks of the default."""

from __future__ import annotations

import re

from espark.outcome import Outcome

MPR = Outcome(
    column="mpr",
    name="MPR",
    positive="major pathological response",
    definition="At most 10 % of the tumor bed is living tumor after treatment and surgery.",
)

_DEFAULT = re.compile(r"pcr|complete[\s_-]+(pathological[\s_-]+)?response|responder", re.IGNORECASE)


def traces_of_the_default(text: str) -> list[str]:
    """Where a text speaks of the default outcome, or calls patients responders, each with what stands around it."""
    return [text[max(0, found.start() - 40) : found.end() + 40] for found in _DEFAULT.finditer(text)]
