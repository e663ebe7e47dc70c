"""Codes of the area TABLE."""

from __future__ import annotations

from espark.codes.code import Code

TABLE: tuple[Code, ...] = ()
