"""One region of a mask that holds several: 3D Slicer, TotalSegmentator, nnU-Net, bare numbers."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import chest, volume, write_rtstruct, write_seg
from espark.ct.files.volume import CtVolume
from espark.ct.grid import image_like
from espark.ct.regions.regions import read_regions, regions_from_masks, write_regions
from espark.errors import RegionError

ESOPHAGUS = np.zeros((12, 36, 40), dtype=bool)
ESOPHAGUS[1:11, 16:22, 18:24] = True
TUMOR = np.zeros_like(ESOPHAGUS)
TUMOR[4:7, 15:21, 17:25] = True
BOTH = np.where(TUMOR, 2, ESOPHAGUS).astype(np.uint8)
REST_ML, TUMOR_ML = ((label == BOTH).sum() * 1.5 * 1.5 * 3 / 1000 for label in (1, 2))


@pytest.fixture
def ct() -> CtVolume:
    return volume(chest())


def save(path: Path, labels: np.ndarray, ct: CtVolume) -> Path:
    sitk.WriteImage(image_like(labels, ct.image), str(path))
    return path


def tumor_of(ct: CtVolume, path: Path, name: str | None) -> np.ndarray:
    regions = read_regions(ct, tumor_mask=path, tumor_roi=name)
    return sitk.GetArrayFromImage(regions.mask("tumor")) > 0


def slicer_file(
    path: Path,
    segments: list[tuple[str, int, int]],
    layers: list[np.ndarray],
    first: tuple[int, int, int] = (0, 0, 0),
) -> Path:
    """A segmentation as 3D Slicer writes it; ``first`` is the voxel (x, y, z) of the CT with which it begins.

    Its columns run from left to right: the reverse of the CT's."""
    voxels = np.stack(layers, axis=-1)[:, :, ::-1].astype(np.uint8)
    z, y, x, n = voxels.shape
    start = np.array((-30.0, -27.0, -18.0)) + np.array((first[0] + x - 1, first[1], first[2])) * (1.5, 1.5, 3.0)
    listed = f"{n} " if n > 1 else ""
    header = [
        "NRRD0004", "type: unsigned char", f"dimension: {3 + (n > 1)}", "space: left-posterior-superior",
        f"sizes: {listed}{x} {y} {z}",
        f"space directions: {'none ' if n > 1 else ''}(-1.5,0,0) (0,1.5,0) (0,0,3)",
        f"kinds: {'list ' if n > 1 else ''}domain domain domain", "encoding: raw",
        f"space origin: ({start[0]},{start[1]},{start[2]})",
    ]  # fmt: skip
    for index, (name, value, layer) in enumerate(segments):
        header += [f"Segment{index}_Name:={name}", f"Segment{index}_LabelValue:={value}"]
        header += [f"Segment{index}_Layer:={layer}"]
    path.write_bytes(("\n".join(header) + "\n\n").encode() + voxels.tobytes())
    return path


def with_label_table(path: Path, names: dict[int, str]) -> Path:
    """Put names into the header of a NIfTI file, as TotalSegmentator does."""
    entries = "".join(
        f'<Label Key="{number}" Red="0.1" Green="0.2" Blue="0.3" Alpha="1"><![CDATA[{name}]]></Label>\n'
        for number, name in names.items()
    )
    text = f"<?xml version='1.0'?><CaretExtension><VolumeInformation><LabelTable>{entries}</LabelTable>".encode()
    size = -(-(len(text) + 8) // 16) * 16
    extension = struct.pack("<ii", size, 0) + text.ljust(size - 8, b"\0")
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[108:112] = struct.pack("<f", 352 + size)
    content[348:352] = b"\1\0\0\0"
    path.write_bytes(gzip.compress(bytes(content[:352]) + extension + bytes(content[352:])))
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_label_by_number(tmp_path: Path, ct: CtVolume, suffix: str, kind: type) -> None:
    path = save(tmp_path / f"m{suffix}", BOTH.astype(kind), ct)
    regions = read_regions(ct, tumor_mask=path, tumor_roi="2", esophagus_mask=path, esophagus_roi="1")
    assert np.array_equal(sitk.GetArrayFromImage(regions.labels), BOTH)
    for wanted in ("3", "GTV", "2.0", "-2"):
        with pytest.raises(RegionError) as caught:
            tumor_of(ct, path, wanted)
        assert f"one of: 1 ({REST_ML:.3g} ml), 2 ({TUMOR_ML:.3g} ml)" in str(caught.value)
    with pytest.raises(RegionError, match=r"several labels \(1, 2\).*as tumor_roi"):
        tumor_of(ct, path, None)


def test_a_label_that_is_not_there_is_refused_even_where_only_one_is(tmp_path: Path, ct: CtVolume) -> None:
    path = save(tmp_path / "m.nii.gz", TUMOR.astype(np.uint8), ct)
    with pytest.raises(RegionError, match=r"no region 2\. Expected: one of: 1 \("):
        tumor_of(ct, path, "2")
    fractions = save(tmp_path / "f.nii.gz", (TUMOR * 0.5).astype(np.float32), ct)
    with pytest.raises(RegionError, match="hold fractions"):
        tumor_of(ct, fractions, "1")


def test_overlapping_segments_of_slicer(tmp_path: Path, ct: CtVolume) -> None:
    names = [("Esophagus", 1, 0), ("Tumor (GTV)", 1, 1), ("empty", 2, 1)]
    path = slicer_file(tmp_path / "s.seg.nrrd", names, [ESOPHAGUS, TUMOR])
    assert np.array_equal(tumor_of(ct, path, "Tumor (GTV)"), TUMOR)
    assert np.array_equal(tumor_of(ct, path, "Esophagus"), ESOPHAGUS)
    with pytest.raises(RegionError, match="2 regions have the name 1"):
        tumor_of(ct, path, "1")
    with pytest.raises(RegionError, match="the region 2 is empty"):
        tumor_of(ct, path, "2")
    with pytest.raises(RegionError, match=r"no region esofagus\..*1 Tumor \(GTV\) \(0\..*Did you mean Esophagus\?"):
        tumor_of(ct, path, "esofagus")
    with pytest.raises(RegionError, match="several labels"):
        tumor_of(ct, path, None)


def test_a_segmentation_cropped_to_its_segments(tmp_path: Path, ct: CtVolume) -> None:
    part = (slice(3, 9), slice(14, 23), slice(16, 26))
    cropped = slicer_file(tmp_path / "c.seg.nrrd", [("Tumor", 1, 0)], [TUMOR[part]], first=(16, 14, 3))
    assert np.array_equal(tumor_of(ct, cropped, "Tumor"), TUMOR)
    assert np.array_equal(tumor_of(ct, cropped, None), TUMOR), "the only segment needs no name"
    larger = np.pad(TUMOR, 2)
    beyond = slicer_file(tmp_path / "l.seg.nrrd", [("Tumor", 1, 0)], [larger], first=(-2, -2, -2))
    assert np.array_equal(tumor_of(ct, beyond, "Tumor"), TUMOR)
    larger[0, 0, 0] = True
    for labels, first in ((larger, (-2, -2, -2)), (TUMOR[part], (16, 14, 12))):
        with pytest.raises(RegionError, match="different grid"):
            tumor_of(ct, slicer_file(tmp_path / "x.seg.nrrd", [("Tumor", 1, 0)], [labels], first=first), "Tumor")
    half = sitk.ReadImage(str(cropped))
    half.SetOrigin(np.add(half.GetOrigin(), (0.75, 0, 0)).tolist())
    sitk.WriteImage(half, str(tmp_path / "h.seg.nrrd"))
    with pytest.raises(RegionError, match="different grid"):
        tumor_of(ct, tmp_path / "h.seg.nrrd", "Tumor")


def test_a_vector_image_without_segments_is_refused(tmp_path: Path, ct: CtVolume) -> None:
    path = slicer_file(tmp_path / "v.nrrd", [], [TUMOR, ESOPHAGUS])
    with pytest.raises(RegionError, match="color or vector image"):
        tumor_of(ct, path, None)


def test_names_in_the_header_as_totalsegmentator_writes_them(tmp_path: Path, ct: CtVolume) -> None:
    labels = np.where(TUMOR, 117, ESOPHAGUS * 15).astype(np.uint8)
    path = with_label_table(save(tmp_path / "m.nii.gz", labels, ct), {15: "esophagus", 117: "tumor <GTV>", 3: "spleen"})
    assert np.array_equal(tumor_of(ct, path, "tumor <GTV>"), TUMOR)
    assert np.array_equal(tumor_of(ct, path, "15"), ESOPHAGUS & ~TUMOR)
    with pytest.raises(RegionError, match="the region spleen is empty"):
        tumor_of(ct, path, "spleen")
    with pytest.raises(RegionError) as caught:
        tumor_of(ct, path, "oesophagus")
    assert "Did you mean esophagus?" in str(caught.value)
    assert f"15 esophagus ({REST_ML:.3g} ml), 117 tumor <GTV> ({TUMOR_ML:.3g} ml)" in str(caught.value)
    assert "3 spleen" not in str(caught.value), "only what is there"


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "esophagus": 1, "tumor": 2},
        {"0": "background", "1": "esophagus", "2": "tumor"},
        {"background": 0, "esophagus": [1, 2], "tumor": [2]},
    ],
    ids=["nnU-Net 2", "nnU-Net 1", "regions"],
)
def test_names_of_nnunet(tmp_path: Path, ct: CtVolume, labels: dict[str, object]) -> None:
    path = save(tmp_path / "m.nii.gz", BOTH, ct)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert np.array_equal(tumor_of(ct, path, "tumor"), TUMOR)
    whole = isinstance(labels["esophagus" if "esophagus" in labels else "1"], list)
    assert np.array_equal(tumor_of(ct, path, "esophagus"), BOTH > 0 if whole else BOTH == 1)
    with pytest.raises(RegionError, match=r"no region background"):
        tumor_of(ct, path, "background")


def test_a_name_goes_before_a_number(tmp_path: Path, ct: CtVolume) -> None:
    path = save(tmp_path / "m.nii.gz", BOTH, ct)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "1": 2, "2": 1}}')
    assert np.array_equal(tumor_of(ct, path, "1"), TUMOR)


@pytest.mark.parametrize("text", ["{", "[]", '{"labels": {"tumor": "x", "y": null}}'])
def test_names_that_cannot_be_read(tmp_path: Path, ct: CtVolume, text: str) -> None:
    path = save(tmp_path / "m.nii.gz", BOTH, ct)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(RegionError, match=r"dataset\.json: the names of the labels cannot be read"):
        tumor_of(ct, path, "tumor")


def test_regions_that_espark_wrote(tmp_path: Path, ct: CtVolume) -> None:
    path = tmp_path / "regions.nii.gz"
    write_regions(path, regions_from_masks(ct, tumor=TUMOR, esophagus=ESOPHAGUS))
    for name in ("tumor", "2"):
        assert np.array_equal(tumor_of(ct, path, name), TUMOR)
    assert np.array_equal(tumor_of(ct, path, "esophagus"), BOTH > 0), "the esophagus holds the tumor"
    with pytest.raises(RegionError, match=r"one of: 2 tumor .*, 1 esophagus"):
        tumor_of(ct, path, "GTV")


def test_segments_and_contours_by_number(tmp_path: Path, ct: CtVolume) -> None:
    seg = write_seg(tmp_path / "seg.dcm", {"GTV": TUMOR, "Esophagus": ESOPHAGUS}, ct.image)
    assert np.array_equal(tumor_of(ct, seg, "1"), TUMOR)
    assert np.array_equal(tumor_of(ct, seg, "Esophagus"), ESOPHAGUS)
    square = np.array([[-5, -5, 0], [5, -5, 0], [5, 5, 0], [-5, 5, 0]])
    contours = write_rtstruct(tmp_path / "rt.dcm", {"Heart": [square * [2, 1, 1]], "GTV": [square]})
    by_name, by_number = (read_regions(ct, rtstruct=contours, tumor_roi=name) for name in ("GTV", "2"))
    assert np.array_equal(*(sitk.GetArrayFromImage(regions.labels) for regions in (by_name, by_number)))
    with pytest.raises(RegionError) as caught:
        read_regions(ct, rtstruct=contours, tumor_roi="GTVp")
    heart, tumor = (
        regions.volume_ml("tumor") for regions in (read_regions(ct, rtstruct=contours, tumor_roi="1"), by_name)
    )
    assert heart > 1.5 * tumor
    assert f"one of: 1 Heart ({heart:.3g} ml), 2 GTV ({tumor:.3g} ml)" in str(caught.value)
    assert "Did you mean GTV?" in str(caught.value)
