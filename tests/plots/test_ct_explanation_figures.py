"""The figures of why the CT speaks as it does: two patients side by side, and maps of texture over the CT."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from another_outcome import MPR
from espark.ct.preview import Plane
from espark.explain.ct_pair import SpeakingFeature
from espark.plots.ct.ct_attribution import deletion_figure, feature_swarm_figure
from espark.plots.ct.ct_pair import PairedPatient, ct_pair_figure
from espark.plots.ct.voxel_maps import ShownMap, voxel_map_figure
from espark.plots.style import NEGATIVE_COLOR, POSITIVE_COLOR

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
        "P001", "1. Tumor: contrast between neighbors, in detail from head to foot (wavelet LLH) (log-odds −0.250)",
        "2. Tumor: variety of zones of equal voxels (entropy)", "contrast between neighbors (no unit)", "20 mm",
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


FEATURES = [
    SpeakingFeature("log-sigma-4-0-mm-3D_gldm_SmallDependenceHighGrayLevelEmphasis", 2.3, 0.4),
    SpeakingFeature("original_shape_Sphericity", -1.2, -0.1),
]


def paired(title: str, features: dict[str, list[SpeakingFeature]]) -> PairedPatient:
    return PairedPatient(title, {"Axial: tumor": plane("axial"), "Sagittal: esophagus": plane("sagittal")}, features)


def bar_panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if "scale: largest attributions" in axes.get_title(loc="left")]


def test_two_patients_share_their_scales(check_saved, words):
    pair = [
        paired("With MPR: e1, external B\nprobability of MPR 0.71", {"tumor": FEATURES, "esophagus": FEATURES[:1]}),
        paired("Without MPR: e2, external B\nprobability of MPR 0.12", {"tumor": FEATURES, "esophagus": []}),
    ]
    figure = check_saved(lambda: ct_pair_figure(pair, MPR))
    text = words(figure).replace("\n", " ")
    for said in (
        "With MPR: e1", "Without MPR: e2", "bright, uneven parts, in blobs and edges",
        "high (+2.3 SD): +0.400", "low (−1.2 SD): −0.100", "roundness (sphericity)", "change of the log-odds",
        "scale not available", "in favor of MPR", "against MPR", "tumor contour", "20 mm",
    ):  # fmt: skip
        assert said in text, said
    panels = bar_panels(figure)
    assert len(panels) == 4
    bars = [(patch.get_width(), to_hex(patch.get_facecolor())) for patch in panels[0].patches]
    assert bars == [(0.4, POSITIVE_COLOR.lower()), (-0.1, NEGATIVE_COLOR.lower())]
    assert {tuple(np.round(axes.get_xlim(), 9)) for axes in panels} == {(-0.432, 0.432)}


def test_the_zero_lines_of_the_scales_stand_below_each_other():
    long = SpeakingFeature("wavelet-LHH_glszm_SmallAreaHighGrayLevelEmphasis", 123.4, -0.31)
    pair = [
        paired("a", {"tumor": FEATURES, "esophagus": [long]}),
        paired("b", {"tumor": [long], "esophagus": FEATURES}),
    ]
    figure = ct_pair_figure(pair, MPR)
    figure.draw_without_rendering()
    zero = [axes.transData.transform((0.0, 0.0))[0] for axes in bar_panels(figure)]
    assert zero[0] == pytest.approx(zero[1], abs=0.01)
    assert zero[2] == pytest.approx(zero[3], abs=0.01)
    assert zero[0] < figure.bbox.width / 2 < zero[2]


def test_patients_without_any_region_known(check_saved, words):
    nobody = PairedPatient("x", {}, {"tumor": [], "esophagus": []})
    assert "no CT" in words(check_saved(lambda: ct_pair_figure([nobody, nobody], MPR)))


def test_a_dot_a_patient_and_the_features_that_move_most(check_saved, words):
    features = pd.DataFrame(
        {"scale": ["tumor"] * 3, "feature": [f"original_glcm_{n}" for n in ("Id", "Idm", "Contrast")]}
    )
    values = np.array([[0.1, -0.4, 0.0], [0.2, 0.5, 0.0]])
    figure = check_saved(lambda: feature_swarm_figure(features, values, np.zeros((2, 3)), outcome=MPR))
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["GLCM IDM", "GLCM ID"], "one moves none"
    dots = [part for part in panel.collections if isinstance(part, PathCollection)]
    assert [sorted(np.asarray(part.get_offsets())[:, 0].tolist()) for part in dots] == [[-0.4, 0.5], [0.1, 0.2]]
    assert "n = 2 patients" in words(figure)


def test_curves_of_deletion_with_their_random_order(check_saved, words):
    rows = [
        (curve, share, 7, sign * share, sign * share - 0.1, sign * share + 0.1)
        for curve, sign in (("deleted", -2), ("deleted_random", -1), ("inserted", 2), ("inserted_random", 1))
        for share in (0.0, 0.5, 1.0)
    ]
    curves = pd.DataFrame(rows, columns=["curve", "share", "n", "movement", "ci_low", "ci_high"])
    figure = check_saved(lambda: deletion_figure(curves))
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines[:2]] == [[0, -1, -2], [0, -0.5, -1]]
    assert "random (n = 7)" in words(figure)
