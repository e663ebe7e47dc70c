"""The result as one picture, for viewers that show neither structured reports nor PDF."""

from __future__ import annotations

import io

import numpy as np
from highdicom.sc import SCImage
from matplotlib.figure import Figure
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from espark.ct.hounsfield import CtVolume
from espark.ct.preview import three_planes
from espark.ct.regions.regions import Regions
from espark.dicom_out.case_result import RESEARCH_USE, CaseResult
from espark.dicom_out.equipment import NewSeries, patient_and_study
from espark.plots.ct.planes import draw_plane, region_handles
from espark.plots.style import DOUBLE_COLUMN, figure_png, in_lines, new_figure, styled
from espark.types import ByteArray
from espark.wording import number

_DPI = 150
_CHARACTERS = 95
_LINE_INCHES = 0.17
_PLANES_INCHES = 2.9


def summary_picture(
    result: CaseResult, ct: CtVolume | None, regions: Regions | None, series: NewSeries, header: Dataset
) -> SCImage:
    """A Secondary Capture with the CT in three planes and the result in sentences.

    Args:
        result: the result.
        ct: the CT; None without one.
        regions: regions on it.
        series: where the object goes.
        header: an image of the study, which gives patient and study.
    """
    made = SCImage(
        pixel_array=_pixels(summary_figure(result, ct, regions)),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **patient_and_study(header),
        **series.arguments(),
    )
    made.BodyPartExamined = "ESOPHAGUS"
    made["PatientOrientation"].value = None  # a page of text has no orientation, though highdicom requires one
    made.BurnedInAnnotation = "YES"
    made.ImageComments = RESEARCH_USE
    return made


@styled
def summary_figure(result: CaseResult, ct: CtVolume | None, regions: Regions | None) -> Figure:
    """The picture as a figure: planes above, sentences below."""
    lines = [f"espark: {result.model.title}", ""]
    for sentence in (*_region_sentences(result), *result.sentences()):
        lines += in_lines(sentence, _CHARACTERS).splitlines()
    shown = ct is not None and regions is not None
    text_inches = (len(lines) + 1) * _LINE_INCHES
    figure = new_figure(DOUBLE_COLUMN, text_inches + (_PLANES_INCHES if shown else 0))
    parts = figure.subfigures(2 if shown else 1, 1, squeeze=False,
                              height_ratios=[_PLANES_INCHES, text_inches] if shown else [1])[:, 0]  # fmt: skip
    if ct is not None and regions is not None:
        planes = three_planes(ct, regions)
        widths = [plane.hu.shape[1] * plane.pixel_mm for plane in planes]
        panels = parts[0].subplots(1, len(planes), squeeze=False, width_ratios=widths)[0]
        for axes, plane in zip(panels, planes, strict=True):
            draw_plane(axes, plane)
        parts[0].legend(handles=region_handles(planes), loc="outside lower center", ncols=len(regions.scales))
    parts[-1].text(0.02, 0.98, "\n".join(lines), va="top", ha="left", linespacing=1.3)
    return figure


def _region_sentences(result: CaseResult) -> list[str]:
    return [
        f"{scale.capitalize()}: {number(region.volume_ml, 1)} ml, {number(region.length_mm, 0)} mm from head to feet."
        for scale, region in result.regions.items()
    ]


def _pixels(figure: Figure) -> ByteArray:
    with Image.open(io.BytesIO(figure_png(figure, dpi=_DPI))) as drawn:
        whole = Image.new("RGB", drawn.size, "white")
        whole.paste(drawn, mask=drawn.getchannel("A") if "A" in drawn.getbands() else None)
    return np.asarray(whole, dtype=np.uint8)
