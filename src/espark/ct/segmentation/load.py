"""From a segmenter's name to the segmenter."""

from __future__ import annotations

from pathlib import Path

from espark.catalogue import running
from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.ct.segmentation.outside import OutsideSegmenter
from espark.ct.segmentation.segmenter import Segmenter
from espark.errors import SegmenterError


def load_segmenter(name: str, *, weights: Path | None = None) -> Segmenter | None:
    """Load a segmenter of the catalogue. Nothing is fetched from the network.

    Args:
        name: a name in `espark.ct.segmentation.catalogue.SEGMENTERS`.
        weights: folder with the files of the segmenter, if it is not embedded or other files are to be used.

    Returns:
        None for ``masks``, which segments nothing.

    Raises:
        SegmenterError: when the segmenter is unknown, or its software or weights are missing.
        PluginError: when the segmenter belongs to a plug-in and cannot be loaded.
    """
    entry = SEGMENTERS.find(name)
    if weights is not None and not weights.is_dir():
        raise SegmenterError("the folder with the weights is missing", where=weights)
    plugin = SEGMENTERS.plugin(name)
    if plugin is None:
        return entry.build(weights)
    with running(plugin):
        return OutsideSegmenter(entry.build(weights), plugin)
