"""The version of espark, in a module that every other module can read."""

from __future__ import annotations

__version__ = "0.1.0"
