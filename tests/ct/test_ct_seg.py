"""Regions from DICOM SEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ct_phantoms import SeriesSpec, chest, write_seg, write_series

from espark.ct.regions import read_regions, region_names
from espark.ct.volume import CtVolume, read_ct
from espark.errors import RegionError

TUMOR = np.zeros((12, 36, 40), dtype=bool)
TUMOR[4:7, 15:21, 17:25] = True
ESOPHAGUS = np.zeros_like(TUMOR)
ESOPHAGUS[1:11, 16:22, 18:24] = True


@pytest.fixture(params=[(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 1, 0)], ids=["head first", "feet first"])
def ct(tmp_path: Path, request: pytest.FixtureRequest) -> CtVolume:
    write_series(tmp_path / "ct", chest(), SeriesSpec(orientation=request.param))
    return read_ct(tmp_path / "ct")


def test_segments_by_label(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"GTV": TUMOR, "Esophagus": ESOPHAGUS}, ct.image)
    assert region_names(path) == ["GTV", "Esophagus"]
    regions = read_regions(ct, rtstruct=path, tumor_roi="GTV", esophagus_roi="Esophagus")
    assert np.array_equal(sitk.GetArrayFromImage(regions.labels), np.where(TUMOR, 2, ESOPHAGUS))
    with pytest.raises(RegionError, match=r"no region GTVp \(did you mean GTV\?\).*one of: 1 GTV \(.* ml\), 2 Eso"):
        read_regions(ct, rtstruct=path, tumor_roi="GTVp")
    with pytest.raises(RegionError, match="several segments"):
        read_regions(ct, tumor_mask=path)


def test_a_single_segment_serves_as_a_mask(tmp_path: Path, ct: CtVolume) -> None:
    path = write_seg(tmp_path / "seg.dcm", {"anything": TUMOR}, ct.image)
    assert np.array_equal(sitk.GetArrayFromImage(read_regions(ct, tumor_mask=path).labels), TUMOR * 2)


def test_segments_of_another_ct(tmp_path: Path, ct: CtVolume) -> None:
    with pytest.raises(RegionError, match="another frame of reference"):
        read_regions(ct, tumor_mask=write_seg(tmp_path / "a.dcm", {"x": TUMOR}, ct.image, frame="1.2.3"))
    for change, message in (((0.4, 0, 0), "another grid"), ((0, 0, 30), "beyond the CT")):
        moved = sitk.Image(ct.image)
        moved.SetOrigin(np.add(ct.image.GetOrigin(), change).tolist())
        with pytest.raises(RegionError, match=message):
            read_regions(ct, tumor_mask=write_seg(tmp_path / "b.dcm", {"x": TUMOR}, moved))
