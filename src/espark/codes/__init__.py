"""Every code of an error, a doubt and a note, in one registry; docs/codes.md is made from it."""

from __future__ import annotations

from espark.codes.code import Code
from espark.codes.ct import CT
from espark.codes.feature import FEATURE
from espark.codes.model import MODEL
from espark.codes.region import REGION
from espark.codes.slide import SLIDE
from espark.codes.study import STUDY
from espark.codes.table import TABLE

__all__ = ["CODES", "Code"]

CODES: dict[str, Code] = {code.key: code for area in (CT, REGION, SLIDE, TABLE, FEATURE, STUDY, MODEL) for code in area}
