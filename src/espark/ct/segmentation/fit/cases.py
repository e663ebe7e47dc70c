"""A user's own CTs and masks, as scans from which the segmenter learns."""

from __future__ import annotations

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions
from espark.ct.segmentation.fit.labelled_scan import Scan, label_scan
from espark.ct.segmentation.working_grid import working_ct
from espark.types import REGIONS


def scan_of(name: str, ct: CtVolume, regions: Regions) -> Scan:
    """A CT with the regions that are known, on the working grid.

    Args:
        name: for messages.
        ct: the CT.
        regions: esophagus, tumor or both.
    """
    grid = working_ct(ct.image)
    known = {scale: grid.cover(regions.mask(scale)) for scale in REGIONS if scale in regions.scales}
    return label_scan(name, grid.hu, known.get("esophagus"), known.get("tumor"))
