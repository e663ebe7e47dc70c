"""A segmenter of a plug-in, with checks of its results. Errors in its code name the plug-in."""

from __future__ import annotations

import numpy as np

from espark.catalogue import Plugin, running
from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.segmenter import FoundMasks, Segmenter
from espark.errors import SegmenterError
from espark.types import BoolArray


class OutsideSegmenter:
    """See `espark.ct.segmentation.segmenter.Segmenter`.

    Args:
        segmenter: the object made by the plug-in.
        plugin: the plug-in.

    Raises:
        SegmenterError: when it is not a segmenter.
    """

    def __init__(self, segmenter: Segmenter | None, plugin: Plugin):
        if not isinstance(segmenter, Segmenter):
            raise SegmenterError(
                f"it gives a {type(segmenter).__name__}", expected="an object with name, finds_tumor and segment"
            )
        self.name = plugin.name
        self.finds_tumor = segmenter.finds_tumor
        self._segmenter = segmenter
        self._plugin = plugin

    def segment(self, ct: CtVolume) -> FoundMasks:
        """Find esophagus and tumor.

        Raises:
            PluginError: when the plug-in fails, or gives something other than masks on the grid of the CT.
        """
        with running(self._plugin):
            found = self._segmenter.segment(ct)
            if not isinstance(found, FoundMasks):
                raise SegmenterError(f"it gives a {type(found).__name__}", expected="espark.plugins.FoundMasks")
            _check(found.esophagus, ct)
            _check(found.tumor, ct)
        return found


def _check(mask: BoolArray | None, ct: CtVolume) -> None:
    shape = ct.size[::-1]
    if mask is not None and (mask.shape != shape or mask.dtype != np.bool_):
        raise SegmenterError(
            f"it gives a mask of {mask.dtype} with the shape {mask.shape}", expected=f"bool {shape}, as the CT"
        )
