"""The coded concepts of espark's DICOM objects.

SNOMED CT, DICOM and IBSI codes are used where they exist. All other concepts belong to the private scheme `SCHEME`,
which docs/dicom.md lists in full.
"""

from __future__ import annotations

from highdicom import UID
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from espark.cells import CELL_TYPES
from espark.outcome import BOTH, NEGATIVE, POSITIVE, Outcome
from espark.types import Scale

SCHEME = "99ESPARK"

_LONGEST_MEANING = 64


def private(value: str, meaning: str) -> CodedConcept:
    """A concept of the private scheme.

    Args:
        value: code; one with more than 16 characters becomes a long code value (0008,0119).
        meaning: in words; cut after 64 characters, the limit of DICOM.
    """
    return CodedConcept(value, SCHEME, meaning[:_LONGEST_MEANING])


def schemes() -> list[CodingSchemeIdentificationItem]:
    """The private scheme, as an object declares it."""
    root = UID.from_uuid("8a1f0d5e-3f4b-5c19-9b57-2f6b1c3f7a10")
    return [CodingSchemeIdentificationItem(SCHEME, name="espark", uid=root, responsible_organization="espark")]


VOLUME = codes.SCT.Volume
VOXEL_SUM = codes.IBSI.VolumeFromVoxelSummation
LENGTH = codes.SCT.Length
HEAD_TO_FEET = private("HEAD-TO-FEET", "Extent from head to feet")
MILLILITER = CodedConcept("ml", "UCUM", "milliliter")
MILLIMETER = codes.UCUM.Millimeter
NO_UNITS = codes.UCUM.NoUnits
COMMENT = codes.DCM.Comment
AI = codes.DCM.ArtificialIntelligence
ESOPHAGUS = codes.SCT.Esophagus

PROBABILITY = private("PROBABILITY", "Calibrated probability of the outcome")
THRESHOLD = private("THRESHOLD", "Threshold of the call")
CALL = private("CALL", "Call at the threshold")
CALLS = {
    1: private("CALL-1", "The probability reaches the threshold"),
    0: private("CALL-0", "The probability is below the threshold"),
}
SET = private("SET", "Outcomes that cannot be ruled out")
SETS = {
    POSITIVE: private("SET-1", "Only the outcome"),
    NEGATIVE: private("SET-0", "Only the absence of the outcome"),
    BOTH: private("SET-BOTH", "Both: not sure"),
    "": private("SET-NONE", "The probability fits neither: not sure"),
}
ANSWER = private("ANSWER", "Answer of the model")
GIVEN = private("GIVEN", "Given")
WITHHELD = private("WITHHELD", "Withheld: the model is not known to apply")
APPLIES = private("APPLIES", "The model applies to the patient")
APPLICABILITY = {
    True: CodedConcept.from_code(codes.SCT.Yes),
    False: CodedConcept.from_code(codes.SCT.No),
    None: private("NOT-CHECKED", "Not checked"),
}
USE = private("USE", "Intended use")
RESEARCH = private("RESEARCH", "Research use only; not a medical device")
SUBJECT = private("SUBJECT", "Kind of patient")
SIMULATED = private("SIMULATED", "Simulated patient")
ATTENTION = private("ATTENTION", "Attention of the model; adds up to 1 in a patient")
ATTRIBUTION = private("ATTRIBUTION", "Attribution: log-odds that the tile adds to the answer")
TILE = private("TILE", "Tile of tissue that the model looked at")

_CELL_NAMES = {cell.key: cell.name for cell in CELL_TYPES}

_REGIONS: dict[Scale, tuple[CodedConcept, CodedConcept]] = {
    "tumor": (
        CodedConcept.from_code(codes.SCT.MorphologicallyAbnormalStructure),
        CodedConcept.from_code(codes.SCT.Neoplasm),
    ),
    "esophagus": (CodedConcept.from_code(codes.SCT.AnatomicalStructure), CodedConcept.from_code(ESOPHAGUS)),
    "peritumoral": (
        CodedConcept.from_code(codes.SCT.SpatialAndRelationalConcept),
        private("RING", "Ring of soft tissue around the tumor"),
    ),
}


def region_kind(scale: Scale) -> tuple[CodedConcept, CodedConcept]:
    """Category and type of a region."""
    return _REGIONS[scale]


def outcome_finding(outcome: Outcome) -> CodedConcept:
    """What is predicted: a private code for each outcome that a study defines."""
    return private(f"O-{outcome.column.upper()}", f"Predicted outcome: {outcome.term}")


def similarity_to(cell_type: str) -> CodedConcept:
    """Similarity of a tile to a cell type."""
    return private(f"S-{cell_type.upper()}", f"Similarity to: {_CELL_NAMES.get(cell_type, cell_type)}")
