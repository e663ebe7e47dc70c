"""The binary outcome of a study: the name of its column, and the names and words that follow from it.

Inside espark a label is 1 or 0, and tables have neutral columns (``label``, ``n_positive``, …). Files use the names
of the outcome of the study (``pcr``, ``n_pcr``, …). :meth:`Outcome.named` and :meth:`Outcome.neutral` convert between
the two, and every page takes the name from the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from espark.errors import InputError
from espark.strict_toml import Section

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

POSITIVE, NEGATIVE = "positive", "negative"
"""The two outcomes in a conformal set, inside espark."""

BOTH = f"{POSITIVE};{NEGATIVE}"
"""The conformal set that contains both outcomes."""

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 20  # figures and tables have room for this many characters
_TAKEN = frozenset({
    *("patient_id", "center", "role", "ct", "slides", "esophagus_mask", "tumor_mask", "rtstruct", "tumor_roi"),
    *("esophagus_roi", "slide_mpp", "ct_series"),
    *("cohort", "fold", "modality", "probability", "probability_sd", "n_models", "prediction", "conformal_set"),
    *("cell_type", "contribution", "quantity", "value", "nlr", "differentiation"),
})  # fmt: skip
"""Other columns of ``cohort.csv``, and the other columns of the tables that a study writes."""


class Outcome(Section):
    """What is predicted: 1 for a patient with the outcome, 0 for a patient without."""

    column: str = Field(
        "pcr", description="Column of cohort.csv: 1, 0, or empty when it is not known. All tables use this name."
    )
    name: str = Field("pCR", description="Name on pages and in figures: a short name that can follow “patients with”.")
    positive: str = Field("pathological complete response", description="What 1 means, in words.")
    definition: str = Field(
        "After treatment and surgery the pathologist finds no living tumor cells in the specimen.",
        description="How it is judged, in one sentence, for the glossary of the reports. It may be empty.",
    )
    adverse: bool = Field(
        False,
        description="true when 1 is a bad outcome, such as recurrence. Biomarkers are then expected on the other side.",
    )

    @field_validator("column")
    @classmethod
    def _usable_column(cls, column: str) -> str:
        if not _IDENTIFIER.fullmatch(column):
            raise ValueError(
                f"'{column}' cannot name a column; use small letters, digits and underscores, as in major_response"
            )
        taken = {column, f"n_{column}"} & _TAKEN
        if taken:
            raise ValueError(f"'{taken.pop()}' is already a column with a different meaning; choose another name")
        return column

    @field_validator("name", "positive", "definition")
    @classmethod
    def _one_line(cls, text: str, info: ValidationInfo) -> str:
        text = text.strip()
        if not text and info.field_name != "definition":
            raise ValueError("it is empty; write one or two words")
        if not text.isprintable():
            raise ValueError("it must fit on one line")
        if info.field_name == "name" and len(text) > _LONGEST_NAME:
            raise ValueError(f"it has {len(text)} characters; tables and figures have room for {_LONGEST_NAME}")
        return text

    @model_validator(mode="before")
    @classmethod
    def _own_definition(cls, values: object) -> object:
        """A different outcome never gets the default definition."""
        if isinstance(values, dict) and {"name", "positive"} & values.keys():
            fields = cls.model_fields
            if any(values.get(key, fields[key].default) != fields[key].default for key in ("name", "positive")):
                return {"definition": "", **values}
        return values

    @model_validator(mode="after")
    def _about_one_outcome(self) -> Outcome:
        fields = type(self).model_fields
        if self.name.casefold() == fields["name"].default.casefold():
            return self
        for key in ("positive", "definition"):
            if getattr(self, key) == fields[key].default:
                raise ValueError(
                    f"name is '{self.name}', but {key} still describes {fields['name'].default} "
                    f"('{fields[key].default}'); describe {self.name} instead"
                )
        return self

    @property
    def negative_column(self) -> str:
        """Its absence as one word, for a column or a conformal set."""
        return f"no_{self.column}"

    @property
    def negation(self) -> str:
        """Its absence in words, such as "no pCR"."""
        return f"no {self.name}"

    @property
    def heading(self) -> str:
        """Its name at the start of a line: with a first capital letter, unless it has capitals already, like pCR."""
        return self.name[:1].upper() + self.name[1:] if self.name.split()[0].islower() else self.name

    @property
    def in_full(self) -> str:
        """What it means, with its name in brackets when the name is different."""
        same = self.name.casefold() == self.positive.casefold()
        return self.name if same else f"{self.positive} ({self.name})"

    @property
    def term(self) -> str:
        """Its name and meaning, as in a glossary."""
        return self.name if self.in_full == self.name else f"{self.name}, {self.positive}"

    def word(self, label: float | None, *, unknown: str = "not known") -> str:
        """The outcome of a patient in words, from 1, 0, or None when it is not known."""
        return unknown if label is None else self.name if label else self.negation

    @property
    def columns(self) -> dict[str, str]:
        """The name of each neutral column in the files of a study."""
        return {
            "label": self.column,
            "n_positive": f"n_{self.column}",
            "n_negative": f"n_{self.negative_column}",
            "mean_positive": f"mean_{self.column}",
            "mean_negative": f"mean_{self.negative_column}",
            "positive_corrected": f"{self.column}_corrected",
            "positive_worsened": f"{self.column}_worsened",
            "negative_corrected": f"{self.negative_column}_corrected",
            "negative_worsened": f"{self.negative_column}_worsened",
        }

    @property
    def values(self) -> dict[str, dict[str, str]]:
        """For each column, the neutral values that have a different name in the files of a study."""
        return {
            "conformal_set": {
                POSITIVE: self.column,
                NEGATIVE: self.negative_column,
                BOTH: f"{self.column};{self.negative_column}",
            },
            "metric": {
                "positive_favorable": f"{self.column}_favorable",
                "positive_unfavorable": f"{self.column}_unfavorable",
            },
        }

    def set_name(self, conformal_set: str) -> str:
        """A conformal set as files write it, such as ``pcr;no_pcr``."""
        return self.values["conformal_set"].get(conformal_set, conformal_set)

    def named_keys(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A mapping with neutral keys, changed to the names in the files of a study."""
        return {self.columns.get(key, key): value for key, value in values.items()}

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with neutral names, changed to the names in the files of a study."""
        return _translated(table, self.columns, self.values)

    def neutral(self, table: pd.DataFrame, path: Path) -> pd.DataFrame:
        """A table from a file of a study, changed to neutral names.

        Args:
            table: the table as read.
            path: the file that was read, for the error.

        Raises:
            InputError: when no column and no metric has the name of this outcome.
        """
        words = {file: neutral for neutral, file in self.columns.items()}
        values = {column: {file: neutral for neutral, file in names.items()} for column, names in self.values.items()}
        metrics = set(table["metric"]) if "metric" in table else set()
        if not (words.keys() & set(table.columns) or values["metric"].keys() & metrics or table.empty):
            raise InputError(
                f"the table does not contain the outcome {self.name}",
                where=path,
                expected=f"columns such as {self.column} or n_{self.column}",
                action="The table was written for a different outcome. Run the steps again, from `espark train` on.",
            )
        return _translated(table, words, values)


def _translated(table: pd.DataFrame, columns: dict[str, str], values: dict[str, dict[str, str]]) -> pd.DataFrame:
    changed = {
        column: table[column].map(lambda value, names=names: names.get(value, value))
        for column, names in values.items()
        if column in table
    }
    return table.assign(**changed).rename(columns=columns)
