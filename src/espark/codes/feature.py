"""Codes of the area FEATURE."""

from __future__ import annotations

from espark.codes.code import Code

FEATURE: tuple[Code, ...] = ()
