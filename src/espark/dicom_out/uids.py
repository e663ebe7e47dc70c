"""Identifiers of the objects that espark writes: the same result of the same images has the same identifiers.

A PACS that gets a result twice therefore stores it once.
"""

from __future__ import annotations

import uuid

from pydicom.uid import UID

_NAMESPACE = uuid.UUID("8a1f0d5e-3f4b-5c19-9b57-2f6b1c3f7a10")


def uid_of(*parts: str) -> UID:
    """A UID under the root for UUIDs (2.25), the same for the same parts."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(parts)).int}")
