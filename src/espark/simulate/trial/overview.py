"""``truth/overview.html``: a look at the trial's images and at the truth behind them, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from espark.files import write_text
from espark.plots.style import (
    DOUBLE_COLUMN,
    NEGATIVE_COLOR,
    PALETTE,
    POSITIVE_COLOR,
    SCALE_COLORS,
    figure_png,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.report import words
from espark.report.pages import asset, environment
from espark.report.picture import Picture
from espark.simulate.people.centers import CENTERS
from espark.simulate.people.oracle import ORACLE_AUCS
from espark.statistics.auc import expected_auc
from espark.types import AnyArray, ByteArray
from espark.wording import percent

_SOFT = (40.0, 400.0)
_LUNG = (-600.0, 1500.0)
_CROP_PX = 700


@dataclass(frozen=True)
class TrialFacts:
    """The content of the page about the whole trial.

    Attributes:
        seed: seed of the trial.
        effect: scale of the effects.
        null: whether labels depend on nothing.
    """

    seed: int
    effect: float
    null: bool


def write_overview(folder: Path, facts: TrialFacts, table: pd.DataFrame) -> None:
    """Write ``truth/overview.html`` of a finished trial; equal trials give equal bytes.

    Args:
        folder: the trial's folder, with its images.
        facts: the trial as a whole.
        table: ``truth/patients.csv``.
    """
    names = table.groupby("center", sort=True)["patient_id"].first().tolist()
    pictures = (
        ("CT", _picture(ct_figure(folder, names), "CT of one patient of each center", _CT_CAPTION)),
        ("Slides", _picture(slide_figure(folder, names), "Slide of one patient of each center", _SLIDE_CAPTION)),
        ("Truth", _picture(truth_figure(table), "Distributions of the biology behind the images", _TRUTH_CAPTION)),
    )
    template = (resources.files("espark.simulate.trial") / "templates" / "overview.html").read_text(encoding="utf-8")
    page = environment().from_string(template)
    content = page.render(
        seed=facts.seed,
        effect=facts.effect,
        null=facts.null,
        patients=len(table),
        responders=int(table["pcr"].sum()),
        expected=float(table["p_pcr"].sum()),
        pictures=pictures,
        centers=_center_rows(table),
        oracle=_oracle_rows(table),
        notices=[words.SIMULATED, words.RESEARCH_USE],
        style=asset("report.css"),
        script="",
        script_hash="",
    )
    write_text(folder / "truth" / "overview.html", content)


_CT_CAPTION = (
    "First patient of each center, through the tumor: soft-tissue window with the true outlines of esophagus and "
    "tumor, lung window, coronal and sagittal plane."
)
_SLIDE_CAPTION = (
    "First patient of each center: the whole slide, and the place with most tumor cells at 0.5 µm per pixel."
)
_TRUTH_CAPTION = (
    "What the images show, of patients who responded and of those who did not; the true probability by center."
)


def _picture(figure: Figure, alt: str, caption: str) -> Picture:
    return Picture(png=figure_png(figure), svg=None, alt=alt, caption=caption)


@styled
def ct_figure(folder: Path, names: Sequence[str]) -> Figure:
    """One row per patient: axial in two windows, coronal, sagittal, all through the tumor."""
    figure = new_figure(DOUBLE_COLUMN, 1.75 * len(names))
    for axes, name in zip(figure.subplots(len(names), 4, squeeze=False), names, strict=True):
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "ct" / name))
        image = sitk.ReadImage(files)
        volume = sitk.GetArrayFromImage(image)
        regions = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "truth" / "masks" / f"{name}.nii.gz")))
        z, y, x = (int(np.median(places)) for places in np.nonzero(regions == 2))
        width, _, height = image.GetSpacing()
        _show_ct(axes[0], volume[z], regions[z], _SOFT, 1.0)
        _show_ct(axes[1], volume[z], None, _LUNG, 1.0)
        _show_ct(axes[2], volume[::-1, y], regions[::-1, y], _SOFT, height / width)
        _show_ct(axes[3], volume[::-1, :, x], regions[::-1, :, x], _SOFT, height / width)
        axes[0].set_title(name, loc="left")
    return figure


def _show_ct(axes: Axes, hu: AnyArray, regions: AnyArray | None, window: tuple[float, float], aspect: float) -> None:
    level, width = window
    axes.imshow(hu, cmap="gray", vmin=level - width / 2, vmax=level + width / 2, aspect=aspect)
    if regions is not None:
        for value, scale in ((1, "esophagus"), (2, "tumor")):
            mask = regions >= value
            if mask.any():
                axes.contour(mask, levels=[0.5], colors=[SCALE_COLORS[scale]], linewidths=0.6)
    axes.set_axis_off()


@styled
def slide_figure(folder: Path, names: Sequence[str]) -> Figure:
    """One column per patient: the whole slide, and the place with most tumor cells."""
    figure = new_figure(DOUBLE_COLUMN, 4.4)
    for (above, below), name in zip(figure.subplots(2, len(names), squeeze=False).T, names, strict=True):
        with openslide.OpenSlide(folder / "slides" / f"{name}.tif") as slide:
            above.imshow(np.asarray(slide.get_thumbnail((900, 900))))
            below.imshow(_crop(slide, pd.read_parquet(folder / "truth" / "tiles" / f"{name}.parquet")))
        above.set_title(name, loc="left")
        for axes in (above, below):
            axes.set_axis_off()
    return figure


def _crop(slide: openslide.OpenSlide, tiles: pd.DataFrame) -> ByteArray:
    cells = tiles["n_well_differentiated_tumor_cell"] + tiles["n_poorly_differentiated_tumor_cell"]
    place = tiles.loc[cells.where(~tiles["artefact"].astype(bool), -1).idxmax()]
    low = [
        int(np.clip(middle + 128 - _CROP_PX // 2, 0, max(0, size - _CROP_PX)))
        for middle, size in zip((place["x"], place["y"]), slide.dimensions, strict=True)
    ]
    return np.asarray(slide.read_region((low[0], low[1]), 0, (_CROP_PX, _CROP_PX)).convert("RGB"))


@styled
def truth_figure(table: pd.DataFrame) -> Figure:
    """Distributions of what the images show, and of the true probability."""
    figure = new_figure(DOUBLE_COLUMN, 3.6)
    panels = figure.subplots(2, 3).ravel()
    for axes, (column, label, logarithmic) in zip(panels, _QUANTITIES, strict=False):
        _compare(axes, table, column, label, logarithmic)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    edges = np.linspace(0.0, 1.0, 11).tolist()
    groups = list(table.groupby("center", sort=True)["p_pcr"])
    labels = [f"center {name}" for name, _ in groups]
    panels[-1].hist([values for _, values in groups], edges, stacked=True, color=PALETTE[: len(groups)], label=labels)
    panels[-1].set(xlabel="true probability of a response", ylabel="patients")
    panels[-1].legend()
    return figure


_QUANTITIES = (
    ("nlr", "NLR in the tumor", True),
    ("differentiation", "well-differentiated share", False),
    ("tumor_length_mm", "tumor length, mm", False),
    ("wall_thickness_mm", "wall thickness, mm", False),
    ("heterogeneity_hu", "texture, HU", False),
)


def _compare(axes: Axes, table: pd.DataFrame, column: str, label: str, logarithmic: bool) -> None:
    values = table[column]
    space = np.geomspace if logarithmic else np.linspace
    edges = space(values.min(), values.max() * 1.0001, 16).tolist()
    if len(table) < 2 or values.nunique() < 2:
        say_nothing_to_show(axes, "one patient")
        return
    for responded, color, name in ((1, POSITIVE_COLOR, "response"), (0, NEGATIVE_COLOR, "no response")):
        chosen = values[table["pcr"] == responded]
        weights = np.full(len(chosen), 1.0 / max(1, len(chosen)))
        axes.hist(chosen, edges, weights=weights, histtype="step", color=color, label=f"{name} (n = {len(chosen)})")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=label, ylabel="share")


def _center_rows(table: pd.DataFrame) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for center in CENTERS:
        here = table[table["center"] == center.name]
        if len(here):
            rows.append(
                {
                    "name": center.name,
                    "patients": len(here),
                    "responders": int(here["pcr"].sum()),
                    "slices": " or ".join(f"{value:g}" for value in center.ct.slice_mm),
                    "kernel": center.ct.kernel,
                    "noise": center.ct.noise_hu,
                    "phases": ", ".join(f"{percent(share)} {name}" for name, share in center.ct.phases.items()),
                }
            )
    return rows


def _oracle_rows(table: pd.DataFrame) -> list[dict[str, object]]:
    names = {"slide": "slide", "ct": "CT", "both": "both"}
    probability = table["p_pcr"].to_numpy()
    return [
        {
            "seen": names[seen],
            "documented": documented,
            "here": "–" if len(table) < 2 else f"{expected_auc(probability, table[f'logit_{seen}'].to_numpy()):.3f}",
        }
        for seen, documented in ORACLE_AUCS.items()
    ]
