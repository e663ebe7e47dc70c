"""What a code is: plain data that describes what an error, a doubt or a note means and what the user can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Area = Literal["FILE", "CT", "REGION", "SLIDE", "TABLE", "FEATURE", "STUDY", "MODEL"]

Kind = Literal["E", "D", "N"]
"""Error: refused. Doubt: used, but marked as doubtful. Note: used, and good to know."""


@dataclass(frozen=True)
class Code:
    """One problem, doubt or note about an input.

    A code never changes its meaning and is never used again for something else.

    Attributes:
        key: kind, area and number, such as ``E-CT-012``.
        title: what it is, in a few words.
        meaning: what was found, and why it matters.
        mend: what the user can do.
    """

    key: str
    title: str
    meaning: str
    mend: str = "Nothing needs to be done."
