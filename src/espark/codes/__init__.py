"""Every code of an error, a doubt and a note, in one registry. docs/codes.md is made from it."""

from __future__ import annotations

from espark.codes.code import Code
from espark.codes.ct_codes import CT
from espark.codes.feature_codes import FEATURE
from espark.codes.file_codes import FILE
from espark.codes.model_codes import MODEL
from espark.codes.region_codes import REGION
from espark.codes.slide_codes import SLIDE
from espark.codes.study_codes import STUDY
from espark.codes.table_codes import TABLE

__all__ = ["CODES", "Code"]

CODES: dict[str, Code] = {
    code.key: code for area in (FILE, CT, REGION, SLIDE, TABLE, FEATURE, STUDY, MODEL) for code in area
}
