"""What every part of a bundle's card has in common: nothing unknown in it, nothing infinite, nothing to be changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class CardPart(BaseModel):
    """A part of ``bundle.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Label = Literal[0, 1]
"""Outcome of a patient, or a call."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 as 64 hexadecimal digits."""

Width = Annotated[int, Field(ge=1, le=1 << 16)]
"""Length of a vector or edge of a picture; more than any encoder has."""
