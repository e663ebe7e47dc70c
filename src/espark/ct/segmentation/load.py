"""From a segmenter's name to the segmenter."""

from __future__ import annotations

from pathlib import Path

from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.ct.segmentation.segmenter import Segmenter
from espark.errors import SegmenterError, nearest


def load_segmenter(name: str, *, weights: Path | None = None) -> Segmenter | None:
    """Load a segmenter of the catalogue. Nothing is fetched from the network.

    Args:
        name: a name in `espark.ct.segmentation.catalogue.SEGMENTERS`.
        weights: folder with the segmenter's files, where it is not embedded or others shall be used.

    Returns:
        None for ``masks``, which segments nothing.

    Raises:
        SegmenterError: when the segmenter is unknown, or its software or weights are missing.
    """
    if name not in SEGMENTERS:
        near = nearest(name, SEGMENTERS)
        raise SegmenterError(
            f"there is no segmenter {name!r}",
            expected=f"one of {', '.join(SEGMENTERS)}",
            action=f"Did you mean {near}?" if near else None,
        )
    if weights is not None and not weights.is_dir():
        raise SegmenterError("the folder with the weights is missing", where=weights)
    if name == "masks":
        return None
    if name == "totalsegmentator":
        from espark.ct.segmentation.totalsegmentator import TotalSegmentator

        return TotalSegmentator(weights)
    if name == "nnunet":
        from espark.ct.segmentation.nnunet import NnUnet

        if weights is None:
            raise SegmenterError("the folder of the nnU-Net model is not given", action="Give segmenter_weights.")
        return NnUnet(weights)
    from espark.ct.segmentation.mini import MiniSegmenter
    from espark.ct.segmentation.weights_file import SHIPPED

    return MiniSegmenter.from_folder(weights or SHIPPED)
