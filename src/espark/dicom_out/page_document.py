"""The patient's page as an Encapsulated PDF."""

from __future__ import annotations

from datetime import datetime

from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM

from espark.dicom_out.equipment import NewSeries, patient_and_study


def page_document(pdf: bytes, title: str, series: NewSeries, header: Dataset) -> SOPClass:
    """A PDF as a DICOM object.

    Args:
        pdf: the file.
        title: title of the document.
        series: where the object goes.
        header: an image of the study, which gives patient and study.
    """
    made = SOPClass(
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **patient_and_study(header),
        **series.arguments(),
    )
    now = datetime.now()
    made.ConversionType = "WSD"
    made.ContentDate, made.ContentTime = DA(now.date()), TM(now.time())
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "YES"
    made.DocumentTitle = title
    made.ConceptNameCodeSequence = []
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    made.EncapsulatedDocumentLength = len(pdf)
    return made
