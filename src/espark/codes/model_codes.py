"""Codes of the area MODEL."""

from __future__ import annotations

from espark.codes.code import Code

MODEL: tuple[Code, ...] = ()
