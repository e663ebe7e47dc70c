"""Reports with made-up content, for the tests of the pages."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from typing import Any

from espark.outcome import Outcome
from espark.report.patient_content import (
    AnswerRecord,
    Biomarker,
    CellTypeRow,
    CtPage,
    ModalityRow,
    PatientReport,
    Position,
    RegionRow,
    SideRow,
    SlidePage,
    ValidationRow,
)
from espark.report.picture import Picture
from espark.report.study_content import (
    ChecklistRow,
    CohortRow,
    FailedItem,
    FigureSection,
    Flow,
    FlowBox,
    MetricsTable,
    PatientLink,
    StudyReport,
)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\x80"))
    + _chunk(b"IEND", b"")
)


def picture(alt: str = "a grey dot", *, wide: bool = True) -> Picture:
    return Picture(PNG, None, alt, "A grey dot", wide)


def patient_report(**changes: Any) -> PatientReport:
    """A patient with everything: CT, slide, cell types, biomarkers, validation."""
    report = PatientReport(
        patient_id="HN-0042",
        model_title="eSPARK",
        disease="esophageal squamous cell carcinoma",
        outcome=Outcome(),
        trained_on="The model was trained on 160 patients of one center, 48 of them with the outcome",
        simulated_model=False,
        simulated_patient=False,
        modality="both",
        missing=("The esophagus scale was missing: no contour was given",),
        outside=(),
        probability=0.7312,
        probability_sd=0.0456,
        n_models=10,
        members=(0.64, 0.66, 0.69, 0.7, 0.72, 0.74, 0.76, 0.78, 0.8, 0.822),
        threshold=0.3789,
        prediction=1,
        conformal_set="positive",
        coverage=0.9,
        position=Position(picture("where the patient lies"), 91.25, 160, 48),
        ct=CtPage(
            picture("three planes"),
            (RegionRow("tumor", 160.74, 74.2), RegionRow("esophagus", None, None, "no contour")),
            2164,
            picture("attribution"),
            ("Slice spacing 3 mm",),
        ),
        slides=(SlidePage("HN-0042-a.svs", picture("heatmap"), picture("tiles"), 0.2521, 3148, 1207, ("Pen",)),),
        cell_types=(
            CellTypeRow("major", "stromal cell", 0.41, 44.0),
            CellTypeRow("major", "immune cell", 0.59, 81.0),
            CellTypeRow("immune", "neutrophil", 0.28, 12.0, 158),
            CellTypeRow("immune", "lymphocyte", 0.72, None),
        ),
        cell_type_picture=picture("cell types"),
        biomarkers=(
            Biomarker(
                "NLR in the tissue",
                "Neutrophils over lymphocytes",
                0.3124,
                14.0,
                158,
                0.84,
                "low",
                "low",
                picture("the patient's NLR"),
                (SideRow("external HN", "12 of 30: 40 % (25–58)", "5 of 40: 12 % (5–26)", "4.67 (1.42–15.36)", True),),
            ),
        ),
        validation=(ValidationRow("HN", 70, 21, "0.75 (0.63–0.87)", "67 % (45–83)", "73 %", "52 %", "84 %"),),
        role=None,
        center=None,
        label=None,
        out_of_fold=False,
        quality=("The CT has 3 mm slices",),
        provenance=(("Version", "espark 0.1.0"), ("Model hash", "9f2c" * 16)),
        record=(
            AnswerRecord("development (out of fold)", {"likely": (20, 12), "not-sure": (88, 26), "unlikely": (52, 10)}),
            AnswerRecord("external HN", {"likely": (0, 0), "not-sure": (50, 15), "unlikely": (20, 6)}),
        ),
        modalities=(
            ModalityRow("both", 158, 47, "0.75 (0.66–0.82)", None),
            ModalityRow("ct", 158, 47, "0.66 (0.56–0.74)", "−0.09 (−0.17 to −0.01)"),
        ),
    )
    return dataclasses.replace(report, **changes)


def study_report(**changes: Any) -> StudyReport:
    """A study with everything: failures, tables, figures, patients."""
    report = StudyReport(
        title="Three centers",
        simulated=False,
        disease="esophageal squamous cell carcinoma",
        outcome=Outcome(),
        summary=("eSPARK reached an AUC of 0.75 (0.63–0.87) in 70 patients",),
        cohorts=(
            CohortRow("CC", "development", 160, 48, 0, 158, 160),
            CohortRow("HN", "external", 72, 21, 2, 72, 70),
        ),
        set_aside=("CC-0012: no outcome",),
        failed=(FailedItem("HN-0003", "slide", "broken.svs: not a slide"),),
        metrics=(
            MetricsTable(
                "Results",
                "95 % intervals by DeLong",
                ("Model", "Cohort", "AUC"),
                (("eSPARK", "HN (70 patients)", "0.75 (0.63–0.87)"), ("MScaleCT", "HN (70 patients)", "not available")),
            ),
        ),
        sections=(FigureSection("ROC curves", "One panel a cohort.", (picture(wide=False), picture(wide=False))),),
        patients=(
            PatientLink("CC-0001", "CC", 1, "both", 0.71, 1, "patients/CC-0001.html"),
            PatientLink("HN-0003", "HN", None, "", None, None, None),
        ),
        methods=("Features were scaled within the fold.",),
        choices=("Threshold: Youden, on 160 development patients",),
        provenance=(("Version", "espark 0.1.0"),),
        flow=Flow(
            233,
            (("development patients without a known outcome", 1),),
            232,
            (FlowBox("development", 160, (("in the results", 160),)), FlowBox("HN", 72, (("in the results", 70),))),
        ),
        checklist=(
            ChecklistRow(1, "Title and abstract", "A title"),
            ChecklistRow(2, "Methods", "What was done", "Everything", "Methods"),
        ),
    )
    return dataclasses.replace(report, **changes)


def with_every_text(value: Any, text: str, keep: frozenset[str]) -> Any:
    """``value`` with each of its strings followed by ``text``, save in the fields named in ``keep``."""
    if isinstance(value, str):
        return value + text
    if isinstance(value, tuple):
        return tuple(with_every_text(item, text, keep) for item in value)
    if isinstance(value, Outcome):
        words = ("name", "positive", "definition")
        return value.model_copy(update={name: getattr(value, name) + text for name in words})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        new = {name: with_every_text(item, text, keep) for name, item in fields.items() if name not in keep}
        return dataclasses.replace(value, **new)
    return value
