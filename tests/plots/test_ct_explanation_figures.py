"""The figures of why the CT speaks as it does: two patients side by side, and maps of texture over the CT."""

from __future__ import annotations

import numpy as np

from espark.ct.preview import Plane
from espark.plots.voxel_maps import ShownMap, voxel_map_figure

SIZE = 60


def plane(name: str, region: tuple[slice, slice] = (slice(20, 41), slice(25, 41))) -> Plane:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[region] = True
    sides = {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}[name]
    hu = np.zeros((SIZE, SIZE), dtype=np.float32)
    return Plane(name, hu, {"tumor": mask}, 1.0, (30, 33), (0.0, 0.0, 0.0), tuple(sides))


def shown(feature: str = "wavelet-LLH_glcm_Contrast", scale: str = "tumor") -> ShownMap:
    planes = [plane("axial"), plane("coronal"), plane("sagittal")]
    values = [np.where(part.masks["tumor"], np.arange(SIZE, dtype=float)[:, None], np.nan) for part in planes]
    return ShownMap(feature, scale, -0.25, planes, values)


def test_maps_lie_on_their_region_and_say_what_they_show(check_saved, words):
    figure = check_saved(lambda: voxel_map_figure([shown(), shown("original_glszm_ZoneEntropy")], title="P001"))
    text = words(figure).replace("\n", " ")
    for said in (
        "P001", "1. Tumor: contrast between neighbors, in detail from head to foot (wavelet LLH) (−0.250 to the",
        "2. Tumor: variety of patches of equal voxels (entropy)", "contrast between neighbors (no unit)", "20 mm",
        "window 400 HU", "Axial", "Coronal", "Sagittal",
    ):  # fmt: skip
        assert said in text, said
    drawn = [axes.images[1] for axes in figure.axes if len(axes.images) == 2]
    assert len(drawn) == 6
    for image in drawn:
        values = image.get_array()
        assert np.array_equal(~np.ma.getmaskarray(values), shown().planes[0].masks["tumor"])
        assert list(image.get_extent()) == [-0.5, SIZE - 0.5, SIZE - 0.5, -0.5], "pixel on pixel over the CT"
        low, high = image.get_clim()
        assert 20 <= low < 22 and 38 < high <= 40, "the colors use nearly all of the values"
    bars = [axes for axes in figure.axes if not axes.images]
    assert len(bars) >= 2


def test_a_map_of_one_value_and_no_map_at_all(check_saved, words):
    flat = shown()
    flat = ShownMap(flat.feature, flat.scale, 0.1, flat.planes, [np.where(v >= 0, 3.0, np.nan) for v in flat.values])
    check_saved(lambda: voxel_map_figure([flat]))
    assert "no texture feature to show" in words(voxel_map_figure([]))
