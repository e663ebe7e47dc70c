"""The contact sheet of a study: every patient as a row of small pictures, with the doubts about them in words."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from espark.plots.ct.planes import LEVEL_HU, WINDOW_HU
from espark.plots.slides.slide_quality import REASONS
from espark.plots.small_picture import SmallPicture
from espark.plots.style import SCALE_COLORS
from espark.report import words
from espark.report.pages import asset, rendered, script_hash

Kind = Literal["error", "doubt", "note"]
State = Literal["refused", "doubted", "ok"]

_FIRST: Mapping[State, int] = {"refused": 0, "doubted": 1, "ok": 2}


@dataclass(frozen=True)
class Finding:
    """An error, doubt or note in words, with its code (empty where it has none)."""

    kind: Kind
    text: str
    code: str


@dataclass(frozen=True)
class SheetPicture:
    """A small picture with its words.

    Attributes:
        drawn: the picture.
        title: its name above it.
        alt: what it shows, for a reader who cannot see it.
        caption: sentence below it; empty for none.
    """

    drawn: SmallPicture
    title: str
    alt: str
    caption: str = ""

    @property
    def address(self) -> str:
        """The picture as a data address, which loads nothing from outside."""
        return "data:image/webp;base64," + base64.b64encode(self.drawn.webp).decode("ascii")


@dataclass(frozen=True)
class SheetRow:
    """A patient.

    Attributes:
        patient_id: the study's own id.
        center: hospital.
        role: purpose in the study.
        state: what `check` decided.
        facts: size and origin of images and regions, in short phrases.
        planes: the CT.
        slides: the slides.
        missing: why a picture is not there, or not complete; one sentence each.
        findings: errors, doubts and notes.
    """

    patient_id: str
    center: str
    role: str
    state: State
    facts: tuple[str, ...]
    planes: tuple[SheetPicture, ...]
    slides: tuple[SheetPicture, ...]
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of errors and doubts, each once."""
        return tuple(dict.fromkeys(f.code for f in self.findings if f.code and f.kind != "note"))


@dataclass(frozen=True)
class ContactSheet:
    """The content of the page.

    Attributes:
        title: name of the study.
        simulated: its patients are simulated.
        summary: how many patients there are, and how many of them are doubted.
        findings: what concerns the study as a whole.
        rows: one for each patient, in the order of ``cohort.csv``.
    """

    title: str
    simulated: bool
    summary: str
    findings: tuple[Finding, ...]
    rows: tuple[SheetRow, ...]


def render_contact_sheet(sheet: ContactSheet) -> str:
    """The contact sheet as a self-contained HTML page: equal content gives equal bytes.

    Patients with errors come first, then those with the most doubts.
    """
    script = asset("contact_sheet.js")
    numbered = list(enumerate(sheet.rows))
    return rendered(
        "contact_sheet.html",
        sheet=sheet,
        rows=sorted(numbered, key=lambda entry: (_FIRST[entry[1].state], -len(entry[1].codes), entry[0])),
        notices=[*([words.SIMULATED] if sheet.simulated else []), words.RESEARCH_USE],
        sheet_style=asset("contact_sheet.css"),
        codes=sorted(Counter(code for row in sheet.rows for code in row.codes).items()),
        colors={scale: SCALE_COLORS[scale] for scale in _outlined(sheet)},
        reasons=REASONS if any(row.slides for row in sheet.rows) else {},
        window=f"window {WINDOW_HU:g} HU, level {LEVEL_HU:g} HU",
        script=script,
        script_hash=script_hash(script),
    )


def _outlined(sheet: ContactSheet) -> list[str]:
    """The regions that are outlined anywhere, tumor first."""
    shown = {line.scale for row in sheet.rows for picture in row.planes for line in picture.drawn.outlines}
    return [scale for scale in SCALE_COLORS if scale in shown]
