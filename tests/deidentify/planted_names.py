"""Images full of names: in sixty attributes, private tags, UIDs, pixels, labels and file names."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence

from ct_phantoms import SeriesSpec, chest, write_series
from espark.deidentify.profile import table

NAME, NUMBER, ROOT = "Zyxmiller", "Q7X9B2", "1.2.840.113999.77777"
SECRETS = tuple(text.encode() for text in (NAME, NAME.upper(), NUMBER, ROOT, "19610723", "Zyxstadt"))
"""None of these may be in any byte of what is written."""

NOT_IN_THE_TABLE = ("PlateType", "ImageComments", "GantryID", "WindowCenterWidthExplanation", "DerivationDescription",
                    "TransducerData", "OpticalPathDescription", "ContrastBolusRoute")  # fmt: skip
_TEXTS = {"LO", "SH", "ST", "LT", "UT", "PN", "UC", "AE"}


def planted_keywords() -> list[str]:
    """Sixty attributes with text, all over the table of the standard, and some that it does not list."""
    names = (pydicom.datadict.keyword_for_tag(tag) for tag in sorted(table()))
    listed = [name for name in names if name and dictionary_VR(tag_for_keyword(name)) in _TEXTS]
    outside = [name for name in NOT_IN_THE_TABLE if dictionary_VR(tag_for_keyword(name)) in _TEXTS]
    return [*listed[:: len(listed) // 50][:50], *outside, "PatientName", "PatientID", "AccessionNumber",
            "InstitutionName", "InstitutionAddress", "StationName", "OperatorsName", "StudyDescription",
            "SeriesDescription", "RequestingPhysician"]  # fmt: skip


def plant(dataset: Dataset) -> int:
    """Write names into a header; returns into how many attributes."""
    for keyword in planted_keywords():
        vr = dictionary_VR(tag_for_keyword(keyword))
        value = f"{NUMBER} {NAME}"[: 16 if vr in ("SH", "AE") else 60]
        dataset[keyword] = DataElement(tag_for_keyword(keyword), vr, value)
    dataset.PatientName, dataset.PatientID = f"{NAME}^Anna", NUMBER
    dataset.PatientBirthDate = "19610723"
    dataset["ScanOptions"] = DataElement("ScanOptions", "CS", f"{NAME}s", validation_mode=0)
    for uid, number in (("StudyInstanceUID", 1), ("FrameOfReferenceUID", 3)):
        setattr(dataset, uid, f"{ROOT}.{number}")
    item = Dataset()
    item.InstitutionName, item.PersonName = "Klinikum Zyxstadt", NAME
    item.ReferencedSOPInstanceUID, item.CodeMeaning = f"{ROOT}.9", f"asked by Dr. {NAME}"
    item.CodeValue, item.CodingSchemeDesignator = "1", "99LOCAL"
    for sequence in ("RequestAttributesSequence", "ReferencedStudySequence", "ProcedureCodeSequence",
                     "AnatomicRegionSequence", "PatientOrientationCodeSequence"):  # fmt: skip
        dataset[sequence] = DataElement(tag_for_keyword(sequence), "SQ", Sequence([item]))
    block = dataset.private_block(0x0029, "SIEMENS CSA", create=True)
    block.add_new(0x10, "OB", f"..{NAME}..".encode())
    block.add_new(0x11, "SQ", Sequence([item]))
    dataset.add_new(0x60003000, "OW", NAME.encode() * 2)
    return len(planted_keywords())


def planted_ct(folder: Path) -> list[Path]:
    """A CT with names in headers, in the file header, before and after the pixels and in the names of the files."""
    files = []
    for number, path in enumerate(write_series(folder / NAME, chest(), SeriesSpec(uid=f"{ROOT}.2")), start=1):
        dataset = pydicom.dcmread(path)
        plant(dataset)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.4.{number}"
        dataset.PixelData += NAME.encode() + b"\0"
        dataset.file_meta.SourceApplicationEntityTitle = NUMBER
        dataset.preamble = NAME.encode().ljust(128, b"\0")
        named = path.with_name(f"{NAME}-{NUMBER}-{number}.dcm")
        path.unlink()
        dataset.save_as(named)
        with named.open("ab") as file:
            file.write(b"\xfc\xff\xfc\xffOB\0\0\x0a\0\0\0" + f"{NAME}\0".encode())
        files.append(named)
    return files


def planted_dicom_slide(original: Path, folder: Path) -> None:
    """A DICOM slide with names in comments of its JPEG frames and in its color profile, and with a label."""
    folder.mkdir(parents=True)
    slide = pydicom.dcmread(original)
    plant(slide)
    slide.SeriesInstanceUID, slide.SOPInstanceUID = f"{ROOT}.5", f"{ROOT}.5.1"
    slide.ContainerIdentifier = slide.SpecimenDescriptionSequence[0].SpecimenIdentifier = f"{NUMBER}-A1"
    profile = bytearray(slide.OpticalPathSequence[0].ICCProfile)
    at = profile.rindex(b"desc") + 12  # the text of the description
    profile[at : at + len(NAME)] = NAME.encode()
    slide.OpticalPathSequence[0].ICCProfile = bytes(profile)
    frames = generate_frames(slide.PixelData, number_of_frames=int(slide.NumberOfFrames))
    comment = NAME.encode()
    marked = [b"\xff\xd8\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + frame[2:] for frame in frames]
    slide.PixelData = encapsulate(marked)
    slide["PixelData"].is_undefined_length = True
    slide.file_meta.MediaStorageSOPInstanceUID = slide.SOPInstanceUID
    slide.save_as(folder / f"{NAME}.dcm")
    slide.ImageType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    slide.SOPInstanceUID = slide.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.5.2"
    slide.save_as(folder / "label.dcm")


def planted_svs(path: Path) -> np.ndarray:
    """A slide of Aperio with two levels, a label and a macro picture, all full of names; returns its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (512, 768, 3), dtype=np.uint8)
    words = f"|AppMag = 20|MPP = 0.5000|Filename = {NAME}|User = {NUMBER}|Date = 07/23/61"
    tag = (65000, "s", 0, f"{NAME} {NUMBER}", True)
    label = np.frombuffer((f"{NAME} {NUMBER} " * 40000).encode()[: 387 * 463 * 3], np.uint8).reshape(463, 387, 3)
    with tifffile.TiffWriter(path) as writer:
        for factor in (1, 2):
            size = f"Aperio Image Library v11\r\n768x512 (256x256) JPEG/RGB{words}"
            writer.write(
                _jpegs(pixels[::factor, ::factor]), shape=(512 // factor, 768 // factor, 3), dtype=np.uint8,
                tile=(256, 256), photometric="rgb", compression="jpeg", description=size, software=NAME, metadata=None,
                extratags=[tag], compressionargs={"outcolorspace": 2},
            )  # fmt: skip
        for kind, subfile in (("label", 1), ("macro", 9)):
            text = f"Aperio Image Library v11\r\n{kind} 387x463{words}"
            writer.write(label, subfiletype=subfile, description=text, metadata=None)
    with path.open("ab") as file:
        file.write(NAME.encode())
    return pixels


def _jpegs(picture: np.ndarray):
    """Tiles as JPEG, each with a comment that names the patient."""
    for top in range(0, picture.shape[0], 256):
        for left in range(0, picture.shape[1], 256):
            tile = np.zeros((256, 256, 3), np.uint8)
            part = picture[top : top + 256, left : left + 256]
            tile[: part.shape[0], : part.shape[1]] = part
            buffer = io.BytesIO()
            Image.fromarray(tile).save(buffer, "JPEG", quality=90, keep_rgb=True, comment=NAME.encode())
            yield buffer.getvalue()
