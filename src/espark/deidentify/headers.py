"""One DICOM header without the identity of the patient."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from espark.deidentify.hidden_texts import clean_icc
from espark.deidentify.key_table import KeyTable, PatientKey
from espark.deidentify.profile import STANDARD_SCHEMES, Action, action_for, capped_age, is_coded_word, name_of

METHOD = "espark: DICOM PS3.15 Basic Profile, dates moved"
_REPLACEMENT = "REMOVED"
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
_NUMBERS = ("DS", "IS")
_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
_MIDNIGHT = "000000"


@dataclass
class Account:
    """What was done, for the report. It holds names of attributes, never values.

    Attributes:
        done: number of elements by action and attribute.
    """

    done: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, action: str, element: DataElement) -> None:
        """Count an element."""
        self.done[action, name_of(element.tag)] += 1


@dataclass(frozen=True)
class Cleaner:
    """Cleans the headers of one patient.

    Attributes:
        key: replacements.
        patient: whose headers they are.
        characteristics: whether sex, age, size and weight are kept.
        account: what was done.
    """

    key: KeyTable
    patient: PatientKey
    characteristics: bool
    account: Account

    def clean(self, dataset: Dataset) -> None:
        """Clean a header in place, items of sequences too, and say in it what was done. Pixels are left as they are."""
        self._clean(dataset)
        dataset.PatientID = dataset.PatientName = self.patient.pseudonym
        for name in ("PatientBirthDate", "PatientSex"):
            if name not in dataset:
                setattr(dataset, name, None)
        dataset.PatientIdentityRemoved = "YES"
        dataset.LongitudinalTemporalInformationModified = "MODIFIED"
        dataset.DeidentificationMethod = METHOD
        codes = [code for code in _CODES if self.characteristics or code != "113108"]
        dataset.DeidentificationMethodCodeSequence = [_code(code) for code in codes]

    def _clean(self, dataset: Dataset) -> None:
        for element in list(dataset):
            action = action_for(element, characteristics=self.characteristics)
            if action == "descend":
                self._descend(dataset, element)
            elif action != "pixels":
                value = self._value(action, element)
                self._put(dataset, element, action, value)

    def _put(self, dataset: Dataset, element: DataElement, action: Action, value: Any) -> None:
        if value is None:
            del dataset[element.tag]
        elif value != element.value:
            dataset[element.tag] = DataElement(element.tag, element.VR, value)
        if action != "remove" and value == element.value:
            return
        self.account.count("removed" if value is None else "emptied" if value in ("", []) else "replaced", element)

    def _descend(self, dataset: Dataset, element: DataElement) -> None:
        """Clean the items. An item with a code of a private scheme is removed; its words could name anybody."""
        items = [item for item in element.value if str(item.get("CodingSchemeDesignator", "DCM")) in STANDARD_SCHEMES]
        if len(items) < len(element.value):
            self.account.count("removed", element)
            if not items:
                del dataset[element.tag]
                return
            element.value = items
        for item in items:
            self._clean(item)

    def _value(self, action: Action, element: DataElement) -> Any:
        """The new value; None when the element is removed."""
        if action == "remove":
            return None
        if action == "empty":
            return [] if element.VR == "SQ" else ""
        if element.is_empty:
            return element.value
        if action == "replace":
            return _REPLACEMENT
        if action == "keep":
            return self._kept(element)
        parts = [str(part) for part in (element.value if element.VM > 1 else [element.value])]
        found = [self._part(action, part) for part in parts]
        return found if len(found) > 1 else found[0]

    def _part(self, action: Action, value: str) -> str:
        if action == "uid":
            return value if UID(value).name != value else self.key.uid(value)
        if action == "identifier":
            return self.key.identifier(value)
        if action == "date":
            return moved(value, self.patient.days)
        if action == "time":
            return _MIDNIGHT
        return value if is_coded_word(value) else ""

    def _kept(self, element: DataElement) -> Any:
        if keyword_for_tag(element.tag) == "PatientAge":
            return capped_age(str(element.value))
        if element.VR == "OB":
            try:
                return clean_icc(bytes(element.value))
            except ValueError:
                return None
        if element.VR in _NUMBERS:
            parts = element.value if element.VM > 1 else [element.value]
            return element.value if all(_is_number(part) for part in parts) else ""
        return element.value


def moved(value: str, days: int) -> str:
    """A date (DA) or the date of a date and time (DT), moved by days; empty when it is not a date.

    The time of day is left out: with the date it could identify a visit.
    """
    match = _DAY.match(value)
    if match is None:
        return ""
    try:
        return f"{date(*map(int, match.groups())) + timedelta(days):%Y%m%d}".rjust(8, "0")
    except (ValueError, OverflowError):
        return ""


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", _CODES[value]
    return item
