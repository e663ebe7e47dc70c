"""The CTs and masks of a user, as scans to train the segmenter."""

from __future__ import annotations

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions
from espark.ct.segmentation.fit.labelled_scan import Scan, label_scan
from espark.ct.segmentation.working_grid import working_ct
from espark.types import REGIONS


def scan_of(name: str, ct: CtVolume, regions: Regions) -> Scan:
    """A CT with the regions that are known, on the working grid.

    Args:
        name: name in messages.
        ct: the CT.
        regions: esophagus, tumor or both.
    """
    grid = working_ct(ct.image)
    known = {scale: grid.cover(regions.mask(scale)) for scale in REGIONS if scale in regions.scales}
    return label_scan(name, grid.hu, known.get("esophagus"), known.get("tumor"))
