"""A trained model as a folder: everything that a new patient needs, and nothing of the study."""

from espark.bundle.bundle import Bundle
from espark.bundle.folder import load_bundle

__all__ = ["Bundle", "load_bundle"]
