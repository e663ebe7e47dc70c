"""How large a pixel is: the file before the user, unless it says nothing or contradicts itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from test_slide import write_slide

from espark.errors import SlideError
from espark.notes import codes_of
from espark.pathology.resolution.slide_resolution import resolution_in_file
from espark.pathology.slide import open_slide

PIXELS = np.full((512, 768, 3), (200, 120, 180), np.uint8)
OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{instrument}'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="768" SizeY="512" SizeC="3" '
    'SizeZ="1" SizeT="1" {size}><TiffData/></Pixels></Image></OME>'
)
OBJECTIVE = '<Instrument ID="I:0"><Objective ID="O:0" NominalMagnification="{}"/></Instrument>'


def ome(size: str, power: float | None = None) -> str:
    return OME.format(size=size, instrument=OBJECTIVE.format(power) if power else "")


def square(value: float, unit: str | None = None) -> str:
    units = f' PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"' if unit else ""
    return f'PhysicalSizeX="{value}" PhysicalSizeY="{value}"{units}'


def test_the_file_goes_before_the_user(data: Path) -> None:
    path = data / "slides" / "cmu-1-small-region.svs"
    for given, code in ((0.499, ""), (0.51, ""), (0.55, "N-SLIDE-001"), (0.25, "D-SLIDE-001")):
        with open_slide(path, mpp=given) as slide:
            assert slide.mpp == 0.499 and codes_of(slide.notes) == code
            assert not code or f"slide_mpp {given:g} is not used: the file gives 0.499" in slide.notes[0].text


def test_the_user_is_asked_where_the_file_is_silent(data: Path) -> None:
    path = data / "slides" / "tcga-cr-7395-01a-01-ts1.svs"
    with pytest.raises(SlideError, match="the size of a pixel") as caught:
        open_slide(path)
    assert caught.value.code == "E-SLIDE-002"
    with open_slide(path, mpp=0.5) as slide:
        assert slide.mpp == 0.5 and slide.notes == ()


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600, 1200, 2400, 4800])
@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER"])
def test_resolutions_of_screens_and_printers_are_no_scale(tmp_path: Path, dpi: int, unit: str) -> None:
    value = dpi if unit == "INCH" else dpi / 2.54
    tifffile.imwrite(
        tmp_path / "s.tif", PIXELS, tile=(256, 256), photometric="rgb", metadata=None, resolution=(value, value),
        resolutionunit=unit,
    )  # fmt: skip
    with pytest.raises(SlideError, match="the size of a pixel"):
        open_slide(tmp_path / "s.tif")
    with open_slide(tmp_path / "s.tif", mpp=0.5) as slide:
        assert slide.mpp == 0.5 and slide.notes == ()


@pytest.mark.parametrize(
    ("size", "mpp"),
    [
        (square(0.25), 0.25),
        (square(0.25, "µm"), 0.25),
        (square(250, "nm"), 0.25),
        (square(0.00025, "mm"), 0.25),
        ('PhysicalSizeX="0.25"', 0.25),
        (square(1, "pixel"), None),
        (square(1, "reference frame"), None),
        (square(0.0, "µm"), None),
        ("", None),
    ],
)
@pytest.mark.parametrize("tags", [None, 25.4e3 / 72])
def test_ome_xml_has_its_own_size(tmp_path: Path, size: str, mpp: float | None, tags: float | None) -> None:
    path = write_slide(tmp_path / "s.tif", PIXELS, None if tags is None else (tags, tags), ome(size))
    if mpp is None:
        with pytest.raises(SlideError, match="the size of a pixel"):
            open_slide(path)
    else:
        with open_slide(path) as slide:
            assert slide.mpp == pytest.approx(mpp) and slide.notes == ()


def test_ome_tiff_as_tifffile_writes_it(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "s.ome.tif", PIXELS, tile=(256, 256), photometric="rgb",
        metadata={"axes": "YXS", "PhysicalSizeX": 220.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 220.0,
                  "PhysicalSizeYUnit": "nm"},
    )  # fmt: skip
    with open_slide(tmp_path / "s.ome.tif") as slide:
        assert slide.mpp == pytest.approx(0.22)


def test_of_several_images_the_one_of_level_0_counts() -> None:
    label = '<Image ID="Image:1"><Pixels SizeX="100" SizeY="80" PhysicalSizeX="50" PhysicalSizeY="50"/></Image></OME>'
    text = ome(square(0.25)).replace("</OME>", label)
    assert resolution_in_file({"tiff.ImageDescription": text}, (768, 512)).mpp == (0.25, 0.25)
    assert resolution_in_file({"tiff.ImageDescription": text}, (7, 5)).mpp is None
    assert resolution_in_file({"tiff.ImageDescription": text[:300]}, (768, 512)).mpp is None


@pytest.mark.parametrize(
    ("description", "tags", "message"),
    [
        (ome(square(1.0), 40), None, "an objective of 40×, but 1 µm per pixel"),
        (ome(square(0.5), 40), None, "an objective of 40×, but 0.5 µm per pixel"),
        (ome(square(0.1), 20), None, "an objective of 20×, but 0.1 µm per pixel"),
        (ome(square(0.25)), 0.5, "0.25 µm per pixel in its OME-XML, 0.5 in its resolution tags"),
        (ome('PhysicalSizeX="0.5" PhysicalSizeY="0.6"'), None, "not square"),
        ("made here", (0.5, 0.6), "not square"),
    ],
)
def test_a_file_that_contradicts_itself_needs_the_user(
    tmp_path: Path, description: str, tags: float | tuple[float, float] | None, message: str
) -> None:
    both = (tags, tags) if isinstance(tags, float) else tags
    path = write_slide(tmp_path / "s.tif", PIXELS, both, description)
    with pytest.raises(SlideError, match=message) as caught:
        open_slide(path)
    assert caught.value.code == "E-SLIDE-003"
    with open_slide(path, mpp=0.25) as slide:
        assert slide.mpp == 0.25 and codes_of(slide.notes) == "N-SLIDE-003"


def test_an_aperio_slide_of_40_times_with_1_um(tmp_path: Path) -> None:
    """The usual mistake: an export at lower resolution that keeps the objective of the original."""
    text = "Aperio Image Library v11.2.1 \r\n768x512 (256x256) JPEG/RGB Q=30|AppMag = 40|MPP = {}"
    path = write_slide(tmp_path / "a.svs", PIXELS, None, text.format("1.0"))
    with pytest.raises(SlideError, match="an objective of 40×, but 1 µm per pixel"):
        open_slide(path)
    with open_slide(write_slide(tmp_path / "b.svs", PIXELS, None, text.format("0.2527"))) as slide:
        assert slide.mpp == 0.2527 and slide.notes == ()
    silent = write_slide(tmp_path / "c.svs", PIXELS, None, text.format("").replace("|MPP = ", ""))
    for given, code in ((0.25, ""), (0.23, ""), (1.0, "D-SLIDE-002"), (0.05, "D-SLIDE-002")):
        with open_slide(silent, mpp=given) as slide:
            assert slide.mpp == given and codes_of(slide.notes) == code


def test_the_magnification_of_aperio_counts_where_openslide_does_not_know_it() -> None:
    found = resolution_in_file(
        {"openslide.mpp-x": "1", "openslide.mpp-y": "1", "aperio.AppMag": "40.000000"}, (768, 512)
    )
    assert found.power == 40 and "40×" in found.contradiction


@pytest.mark.parametrize("mpp", [0.0274, 0.0212])
def test_pixels_finer_than_light_are_no_scale(tmp_path: Path, mpp: float) -> None:
    """Ten times too fine, as where millimetres and centimetres were confused."""
    with pytest.raises(SlideError, match="the size of a pixel"):
        open_slide(write_slide(tmp_path / "s.tif", PIXELS, (mpp, mpp)))


def test_nearly_square_pixels_are_averaged(tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "nearly.tif", PIXELS, (0.500, 0.508))) as slide:
        assert slide.mpp == pytest.approx(0.504, rel=1e-3)


def test_a_lower_level_of_dicom_keeps_its_objective(data: Path) -> None:
    """The spacing of a DICOM instance is measured; its objective is that of the whole pyramid."""
    with open_slide(data / "slides" / "cptac-brca-dicom-sm.dcm") as slide:
        assert slide.mpp == pytest.approx(15.821, rel=1e-4) and slide.notes == ()
