"""Cell types, effects, feature attributions, the Venn diagram and the cohort figures."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from another_outcome import MPR
from espark.cells import CELL_GROUPS, CELL_TYPES
from espark.plots.ct.feature_bars import attribution_figure, feature_name
from espark.plots.ct.screening import manhattan_figure
from espark.plots.ct.venn import circle_distance, venn_figure
from espark.plots.results.cohort_overview import clinical_heatmap_figure, cohort_overview_figure
from espark.plots.results.group_differences import biomarker_position_figure, group_difference_figure
from espark.plots.slides.cell_types import ForestRow, cell_name, cell_type_figure, effects_forest_figure
from espark.types import ClinicalColumn


@pytest.fixture
def contributions() -> dict[str, float]:
    return {key: 1 / len(keys) for keys in CELL_GROUPS.values() for key in keys}


def test_a_bar_per_cell_type_and_a_box_per_cohort(contributions, check_saved, words):
    rows = [(key, value) for key in contributions for value in np.linspace(0.1, 0.5, 20)]
    cohort = pd.DataFrame(rows, columns=["cell_type", "contribution"])
    figure = check_saved(lambda: cell_type_figure(contributions, cohort))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Major cell types", "Immune cells", "Tumor cells"]
    bars = [patch.get_width() for axes in figure.axes for patch in axes.patches if hasattr(patch, "get_width")]
    assert bars == pytest.approx(list(contributions.values()))
    assert "development patients (n = 20)" in words(figure)


def test_cell_types_without_a_cohort_or_without_a_group(contributions, check_saved, words):
    nobody = pd.DataFrame(columns=["cell_type", "contribution"])
    figure = check_saved(lambda: cell_type_figure({"neutrophil": 0.4, "lymphocyte": math.nan}, nobody))
    text = words(figure)
    assert "Neutrophil" in text
    assert "Lymphocyte" not in text and "Tumor cells" not in text and "development" not in text
    assert "no cell-type contributions" in words(cell_type_figure({}, nobody))


def test_cell_names_are_readable():
    assert cell_name("poorly_differentiated_tumor_cell") == "Poorly differentiated tumor"
    assert cell_name("lymphocyte") == "Lymphocyte"
    assert len({cell_name(key) for key in tuple(entry.key for entry in CELL_TYPES)}) == len(CELL_TYPES)


def test_forest_draws_effect_and_interval(check_saved, words):
    rows = [
        ForestRow("NLR", "CC", 224, -0.3, -0.5, -0.1, 0.0004),
        ForestRow("NLR", "HN", 12, math.nan, math.nan, math.nan, math.nan),
        ForestRow("NLR", "all centers", 236, -0.3, -0.5, -0.1, 0.01, pooled=True),
        ForestRow("Differentiation", "CC", 224, 0.2, 0.0, 0.4, math.nan),
    ]
    figure = check_saved(
        lambda: effects_forest_figure(rows, effect_name="Cliff's delta", directions=("lower", "higher"))
    )
    drawn = [line for line in figure.axes[1].lines if line.get_linewidth() == 1.3]
    assert [tuple(line.get_xdata()) for line in drawn] == [(-0.5, -0.1), (-0.5, -0.1), (0.0, 0.4)]
    text = words(figure)
    assert "−0.30 (−0.50 to −0.10)" in text and "<0.001" in text and "not available" in text
    assert "no effects" in words(effects_forest_figure([], effect_name="delta"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wavelet-LLH_glcm_ClusterShade", "wavelet LLH · GLCM cluster shade"),
        ("original_shape_MeshVolume", "shape mesh volume"),
        ("original_shape_Maximum2DDiameterSlice", "shape maximum 2D diameter slice"),
        ("log-sigma-3-0-mm-3D_firstorder_10Percentile", "LoG σ 3 mm · first-order 10th percentile"),
        ("log-sigma-0-5-mm-3D_glcm_Imc1", "LoG σ 0.5 mm · GLCM IMC1"),
        ("lbp-3D-m1_glszm_GrayLevelNonUniformityNormalized", "LBP 3D m1 · GLSZM gray level non-uniformity normalized"),
        ("squareroot_glcm_MCC", "square root · GLCM MCC"),
        ("SUVmax", "SUVmax"),
    ],
)
def test_feature_names_are_readable(name, words):
    assert feature_name(name) == words


def attributions(scales: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (scale, f"original_glcm_F{number}", (-1) ** number * number / 10) for scale in scales for number in range(15)
    ]
    return pd.DataFrame(rows, columns=["scale", "feature", "attribution"])


def test_the_largest_attributions_are_shown(check_saved, words):
    figure = check_saved(lambda: attribution_figure({"": attributions(("tumor", "esophagus"))}, outcome=MPR, top=4))
    for axes in figure.axes:
        assert [patch.get_width() for patch in axes.patches] == pytest.approx([1.4, -1.3, 1.2, -1.1])
        assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["F14", "F13"]
    assert "Tumor" in words(figure) and "Esophagus" in words(figure)


def test_features_are_named_in_plain_words(check_saved, words):
    names = ["wavelet-LLH_glcm_ClusterShade", "log-sigma-3-0-mm-3D_gldm_SmallDependenceHighGrayLevelEmphasis"]
    table = pd.DataFrame({"scale": "tumor", "feature": names, "attribution": [0.2, -0.1]})
    figure = check_saved(lambda: attribution_figure({"": table}, outcome=MPR))
    text = words(figure).replace("\n", " ")
    assert "asymmetry of pairs of neighbors (cluster shade), in detail from head to foot (wavelet LLH)" in text
    assert "bright, uneven parts, in blobs and edges of about σ 3 mm (LoG)" in text
    assert "change of the log-odds" in text and "GLCM" not in text


def test_two_patients_share_their_features_and_a_missing_scale_is_named(check_saved, words):
    tables = {"with": attributions(("tumor", "esophagus")), "without": attributions(("tumor",))}
    figure = check_saved(lambda: attribution_figure(tables, outcome=MPR, top=5))
    assert "scale not available" in words(figure)
    assert [len(axes.patches) for axes in figure.axes] == [5, 5, 5, 0]
    nothing = attributions(())
    assert "no CT feature attributions" in words(attribution_figure({"": nothing}, outcome=MPR))


@settings(max_examples=40)
@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1))
def test_circles_overlap_by_the_shared_count(first, second, share):
    """Checked by integrating the lens numerically."""
    radii = math.sqrt(first / math.pi), math.sqrt(second / math.pi)
    wanted = share * min(first, second)
    distance = circle_distance(*radii, wanted)
    x = np.linspace(-radii[0], radii[0], 20001)
    heights = np.minimum(
        np.sqrt(np.maximum(0, radii[0] ** 2 - x**2)), np.sqrt(np.maximum(0, radii[1] ** 2 - (x - distance) ** 2))
    )
    assert 2 * np.trapezoid(heights, x) == pytest.approx(wanted, abs=0.005 * max(first, second))


@pytest.mark.parametrize(("first", "both", "second"), [(12, 4, 31), (0, 5, 20), (3, 0, 1), (1, 2, 400), (7, 0, 0)])
def test_venn_shows_every_count(first, both, second, check_saved, words):
    tumor = {f"t{n}" for n in range(first)} | {f"b{n}" for n in range(both)}
    esophagus = {f"e{n}" for n in range(second)} | {f"b{n}" for n in range(both)}
    figure = check_saved(
        lambda: venn_figure({"tumor": tumor, "esophagus": esophagus}, n_tested=2164, criterion="p < 0.05")
    )
    counts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(counts) == sorted(str(count) for count in (first, both, second) if count)
    assert f"tumor ({first + both})" in words(figure)
    areas = [math.pi * circle.radius**2 for circle in figure.axes[0].patches]
    assert areas == pytest.approx([len(tumor), len(esophagus)])


def test_venn_without_findings_says_so(words):
    nothing = {"tumor": set(), "esophagus": set()}
    assert "no significant feature" in words(venn_figure(nothing, n_tested=9, criterion="p < 0.05"))


def test_venn_of_three_scales_counts_all_seven_areas(check_saved, words):
    areas = {"t": 11, "e": 22, "p": 33, "te": 4, "tp": 5, "ep": 6, "tep": 0}
    names = {area: {f"{area}{n}" for n in range(count)} for area, count in areas.items()}
    scales = ("tumor", "esophagus", "peritumoral")
    sets = {scale: set().union(*(names[area] for area in areas if scale[0] in area)) for scale in scales}
    figure = check_saved(lambda: venn_figure(sets, n_tested=2153, criterion="p < 0.05"))
    shown = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    circles = dict(zip("tep", figure.axes[0].patches, strict=True))
    for area, count in areas.items():
        place = np.array(shown[str(count)])
        inside = {key for key, circle in circles.items() if np.hypot(*(place - circle.center)) < circle.radius}
        assert inside == set(area), "each count stands in its own area"
    assert "not to scale" in words(figure)
    assert "peritumoral (44)" in words(figure)
    with pytest.raises(ValueError, match="two or three scales, found 1"):
        venn_figure({"tumor": {"a"}}, n_tested=9, criterion="p < 0.05")


@pytest.fixture
def cohort() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "center": ["CC"] * 30 + ["HN"] * 12 + ["中心"] * 3,
            "role": ["development"] * 20 + ["internal_test"] * 10 + ["external"] * 15,
            "mpr": [1, 0, 0, 0, np.nan] * 9,
            "age": generator.normal(63, 8, 45),
            "stage": ["II", "III", "IVA"] * 15,
            "empty": np.nan,
            "hospital": [f"H{number}" for number in range(45)],
        }
    )
    table.loc[3, "age"] = np.nan
    table.loc[4, "stage"] = ""
    return table


def test_overview_counts_every_patient_once(cohort, check_saved, words):
    figure = check_saved(lambda: cohort_overview_figure(cohort, MPR))
    assert sum(patch.get_width() for patch in figure.axes[0].patches) == 45
    text = words(figure)
    assert "CC, development" in text and "n = 20, 25 % with MPR" in text
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks())
    hatched = {bar.get_hatch() for bars in figure.axes[0].containers for bar in bars if bars.get_label() != "MPR"}
    assert hatched == {"////"}
    order = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert order == ["CC, development", "CC, internal test", "HN, external", "中心, external"]
    assert "no patients" in words(cohort_overview_figure(cohort.iloc[:0], MPR))
    unlabelled = cohort.assign(mpr=np.nan)
    assert "% with MPR" not in words(cohort_overview_figure(unlabelled, MPR))


def test_heatmap_sorts_patients_and_hatches_gaps(cohort, check_saved, words):
    columns = [
        ClinicalColumn("age", "number", "years"),
        ClinicalColumn("stage", "category"),
        ClinicalColumn("empty", "number"),
        ClinicalColumn("hospital", "category"),
    ]
    figure = check_saved(lambda: clinical_heatmap_figure(cohort, columns, MPR))
    strips = figure.axes[::2][:6]
    outcome = np.asarray(strips[1].images[0].get_array())[0]
    development = outcome[:20]
    assert np.nan_to_num(development, nan=2).tolist() == [0] * 4 + [1] * 12 + [2] * 4
    assert [len(strip.patches) for strip in strips] == [0, 9, 1, 1, 45, 0]
    written = [[text.get_text() for text in strip.texts] for strip in strips]
    assert written[0][0] == "CC\ndevelopment\nn = 20"
    assert written[1][:2] == ["MPR\nn = 4", "no MPR\nn = 12"]
    assert not any(written[2:])
    text = words(figure)
    assert "age [years]" in text and "no values" in text and "other" in text
    assert "no patients" in words(clinical_heatmap_figure(cohort.iloc[:0], columns, MPR))
    renamed = cohort.rename(columns={"age": "age_at_start"})
    assert "age at start [years]" in words(
        clinical_heatmap_figure(renamed, [ClinicalColumn("age_at_start", "number", "years")], MPR)
    )
    check_saved(lambda: clinical_heatmap_figure(cohort.iloc[:1], columns, MPR))


def test_manhattan_colors_what_is_significant(check_saved, words):
    names = ["original_shape_Maximum3DDiameter", "original_glcm_Idm", "wavelet-LLH_glcm_ClusterShade", "lbp-2D_glcm_Id"]
    tumor = pd.DataFrame(
        {
            "feature": names,
            "odds_ratio": [2.0, 0.4, 1.1, np.nan],
            "p_value": [1e-6, 1e-4, 0.4, np.nan],
            "p_adjusted": [3e-6, 1.5e-4, 0.4, np.nan],
        }
    )
    nothing = tumor.assign(p_value=0.5, p_adjusted=0.9)
    tables = {"tumor": tumor, "esophagus": nothing}
    figure = check_saved(lambda: manhattan_figure(tables, outcome=MPR, n=40, n_positive=12))
    counts = [len(points.get_offsets()) for points in figure.axes[0].collections]
    assert counts == [2, 1, 1]
    text = words(figure)
    assert (
        "Tumor: 2 of 3 tested features significant" in text and "Esophagus: 0 of 4 tested features significant" in text
    )
    assert "shape maximum 3D diameter" in text and "n = 40, 12 with MPR" in text
    assert "no CT features" in words(manhattan_figure({}, outcome=MPR, n=0, n_positive=0))


@pytest.fixture
def values() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = [
        (quantity, center, outcome, float(np.exp(generator.normal())))
        for quantity in ("nlr", "neutrophil")
        for center in ("A", "B")
        for outcome in (0, 1)
        for _ in range(7 if center == "A" else 2)
    ]
    return pd.DataFrame(rows, columns=["quantity", "center", "label", "value"])


def test_every_patient_is_a_point_beside_the_counts(values, check_saved, words):
    titles = {"neutrophil": "Neutrophil", "nlr": "NLR", "absent": "Absent"}
    p_values = {("A", "nlr"): 0.0004, ("B", "nlr"): 0.2, ("A", "neutrophil"): math.nan}
    named = {"outcome": MPR, "titles": titles, "axis_name": "Ratio"}
    figure = check_saved(lambda: group_difference_figure(values, p_values, **named, log=True))
    points = [sum(len(part.get_offsets()) for part in axes.collections) for axes in figure.axes]
    assert points == [18, 18]
    text = words(figure)
    assert "<0.001" in text and "0.20" in text and "–" in text and "Absent" not in text
    assert [annotation.get_text() for annotation in figure.axes[0].texts][:4] == ["7", "7", "2", "2"]
    assert "no patient" in words(group_difference_figure(values.iloc[:0], {}, **named))


def test_a_patient_stands_among_others_on_a_side_of_the_cutoff(values, check_saved, words):
    part = values[values["quantity"] == "nlr"]
    draw = lambda labels, cutoff: biomarker_position_figure(  # noqa: E731
        part["value"], labels, 1.5, outcome=MPR, cutoff=cutoff, name="NLR", favorable="low"
    )
    figure = check_saved(lambda: draw(part["label"], 0.8))
    text = words(figure)
    assert "This patient: 1.5" in text and "cut-off 0.8" in text and "no MPR (n = 9)" in text
    assert "all (n = 18)" in words(draw([], math.nan)) and "cut-off" not in words(draw([], math.nan))


def test_ratios_beyond_the_axis_are_cut_and_said(check_saved, words):
    rows = [ForestRow("OR", "B", 12, 5.0, 1e-6, 1e7, math.nan), ForestRow("OR", "C", 30, 1.234, 0.5, 3.0, math.nan)]
    figure = check_saved(lambda: effects_forest_figure(rows, effect_name="odds ratio", no_effect=1.0, log=True))
    text = words(figure)
    assert "5 (< 0.001 to > 1000)" in text and "1.2 (0.5 to 3)" in text
    assert figure.axes[1].get_xlim() == pytest.approx((1e-3, 1e3))
