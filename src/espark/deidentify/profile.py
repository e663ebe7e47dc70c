"""What happens to each attribute of a DICOM file.

The base is the table of the Basic Application Level Confidentiality Profile (DICOM PS3.15, table E.1-1), which
dicom-anonymizer takes from the standard. It lists what is known to identify people, and nothing can list everything. So
espark goes further: an attribute with text that the table does not list is kept only when it is in `KEPT_TEXTS`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.tag import BaseTag, Tag

Action = Literal["keep", "remove", "empty", "replace", "uid", "identifier", "date", "time", "code", "descend", "pixels"]
"""What is done: ``replace`` puts a fixed word, ``identifier`` and ``uid`` put a replacement that the key table keeps,
``date`` moves a date, ``time`` puts midnight, ``code`` keeps a coded word, ``descend`` looks at the items."""

EDITION = "2026c"
"""Edition of the standard whose table is used."""

KEPT_TEXTS = frozenset(
    {
        # What was measured, and with what kind of device
        "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ConvolutionKernel", "FilterType", "RescaleType",
        "DimensionDescriptionLabel", "OpticalPathIdentifier", "PositionReferenceIndicator", "StackID",
        # Codes; those of private schemes are removed
        "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning", "LongCodeValue",
    }
)  # fmt: skip
"""Attributes with free text that are kept, by keyword."""

KEPT_CODES = frozenset(
    {
        "SpecificCharacterSet", "ImageType", "Modality", "VolumetricProperties", "VolumeBasedCalculationTechnique",
        "LossyImageCompression", "LossyImageCompressionMethod", "PhotometricInterpretation", "BurnedInAnnotation",
        "RecognizableVisualFeatures", "PixelPresentation", "PresentationLUTShape", "BodyPartExamined", "ScanOptions",
        "RotationDirection", "ConvolutionKernelGroup", "ExposureModulationType", "PatientPosition", "AcquisitionType",
        "ReconstructionAlgorithm", "FrameType", "PixelSpacingCalibrationType", "ContentQualification",
        "DimensionOrganizationType", "SpecimenLabelInImage", "FocusMethod", "ExtendedDepthOfField",
        "PatientOrientation", "ImageLaterality", "FrameLaterality", "Laterality", "ContrastBolusAgentAdministered",
        "ContrastBolusAgentDetected", "ContrastBolusAgentPhase", "ContainerComponentMaterial", "FilterMaterial",
        "TissueHeterogeneityCorrection", "QualityControlImage", "ExposureControlMode", "ConstantVolumeFlag",
        "FluoroscopyFlag", "CalciumScoringMassFactorPatient",
    }
)  # fmt: skip
"""Attributes with a coded word (VR CS) that are kept."""

CHARACTERISTICS = frozenset({"PatientSex", "PatientAge", "PatientSize", "PatientWeight"})
"""What the option `Retain Patient Characteristics` keeps."""

STANDARD_SCHEMES = frozenset({"DCM", "SCT", "SRT", "SNM3", "UCUM", "LN", "NCIt", "RADLEX", "UMLS", "FMA", "IBSI"})
"""Designators of coding schemes whose words are the same everywhere."""

_KEPT_GROUPS = frozenset({0x0008, 0x0018, 0x0020, 0x0022, 0x0028, 0x0040, 0x0048, 0x5200, 0x7FE0})
"""Groups that describe the image. All others describe people, requests and reports."""
_IDENTIFIERS = frozenset({"ContainerIdentifier", "SpecimenIdentifier"})
_PIXELS = frozenset({"PixelData"})
_BINARY = frozenset({"ICCProfile"})
_NUMBERS = frozenset({"DS", "IS", "FL", "FD", "US", "SS", "UL", "SL", "UV", "SV", "AT"})
_NOT_NEEDED = frozenset({"CodingSchemeIdentificationSequence", "IconImageSequence", "ExtendedOffsetTable",
                         "ExtendedOffsetTableLengths", "ContributingEquipmentSequence"})  # fmt: skip
_CODED_WORD = re.compile(r"[A-Z0-9_ .]{0,16}")
_AGE = re.compile(r"\d{3}[DWMY]")
_OLDEST = 89
"""From 90 years on, an age can identify a person."""


@cache
def table() -> dict[tuple[int, int], str]:
    """Action of the profile by group and element: X, Z, D and U as in the standard, such as ``X_Z_D``."""
    found: dict[tuple[int, int], str] = {}
    for name, tags in dicom_anonymization_database_selector(f"dicomfields_{EDITION}").items():
        if name != "ALL_TAGS":
            found |= {tag: name.removesuffix("_TAGS") for tag in tags if len(tag) == 2}
    return found


def action_for(element: DataElement, *, characteristics: bool) -> Action:
    """What happens to an element.

    Args:
        element: the element; only its tag and VR are looked at.
        characteristics: whether sex, age, size and weight are kept.
    """
    tag, vr, keyword = element.tag, element.VR, keyword_for_tag(element.tag)
    if keyword in CHARACTERISTICS and characteristics:
        return "keep"
    if tag.is_private or tag.group not in _KEPT_GROUPS or keyword in _NOT_NEEDED:
        return "remove"
    if vr == "UI":
        return "uid"
    if vr in ("DA", "DT"):
        return "date"
    if vr == "TM":
        return "time"
    if keyword in _IDENTIFIERS:
        return "identifier"
    listed = table().get((tag.group, tag.element))
    if listed is not None:
        return _of_the_table(listed, vr)
    return _not_listed(vr, keyword)


def _of_the_table(listed: str, vr: str) -> Action:
    if vr == "SQ":
        return "empty" if listed in ("Z", "X_Z") else "remove"
    if listed == "X":
        return "remove"
    return "replace" if listed.endswith("D") and vr not in _NUMBERS and listed != "Z_D" else "empty"


def _not_listed(vr: str, keyword: str) -> Action:
    if vr == "SQ":
        return "descend"
    if keyword in _PIXELS:
        return "pixels"
    if vr in _NUMBERS or keyword in KEPT_TEXTS or keyword in _BINARY:
        return "keep"
    if keyword in KEPT_CODES:
        return "code"
    # A name is emptied and not removed, because many objects must have the attribute.
    return "empty" if vr == "PN" else "remove"


def is_coded_word(value: object) -> bool:
    """Whether a value of VR CS is a coded word. Some devices write free text there."""
    return _CODED_WORD.fullmatch(str(value)) is not None


def capped_age(value: str) -> str:
    """An age as DICOM writes it, at most 89 years; empty when it is not an age."""
    if not _AGE.fullmatch(value):
        return ""
    return f"{_OLDEST + 1:03d}Y" if value.endswith("Y") and int(value[:3]) > _OLDEST else value


def name_of(tag: BaseTag | int) -> str:
    """An attribute for the report: its keyword and tag; private ones by their group only."""
    tag = Tag(tag)
    if tag.is_private:
        return f"private group ({tag.group:04X},xxxx)"
    return f"{keyword_for_tag(tag) or 'unknown'} ({tag.group:04X},{tag.element:04X})"
