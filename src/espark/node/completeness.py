"""Written rules for when a study is complete. They look only at counts and times, never at pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pydicom

from espark.node.node_config import Rules

Verdict = Literal["waiting", "complete", "useless"]


@dataclass(frozen=True)
class StudyContent:
    """What has come in of a study.

    Attributes:
        ct: number of images by CT series: files, or frames of a single file.
        slides: number of files by slide series.
        first, last: when the first and the last file came, in seconds.
    """

    ct: Mapping[str, int]
    slides: Mapping[str, int]
    first: float
    last: float

    @classmethod
    def read(cls, folder: Path) -> StudyContent | None:
        """Count the images of a study; None when there are none."""
        counts: dict[str, dict[str, int]] = {"CT": {}, "SM": {}}
        times = []
        for kind, found in counts.items():
            for path in (folder / kind).glob("*/*.dcm"):
                found[path.parent.name] = found.get(path.parent.name, 0) + 1
                times.append(path.stat().st_mtime)
        if not times:
            return None
        images = {
            series: _frames(folder / "CT" / series) if count == 1 else count for series, count in counts["CT"].items()
        }
        return cls(images, counts["SM"], min(times), max(times))


def _frames(folder: Path) -> int:
    """Frames of the one file of a series."""
    (path,) = folder.glob("*.dcm")
    header = pydicom.dcmread(path, specific_tags=["NumberOfFrames"], stop_before_pixels=True)
    return int(header.get("NumberOfFrames") or 1)


def judge(content: StudyContent, rules: Rules, now: float) -> tuple[Verdict, str]:
    """Whether a study is complete, and the reason in words.

    1. While images come, the study waits: nothing must have come for ``quiet_seconds``.
    2. A CT counts when a series has at least ``min_images`` images, in as many files or as frames of one.
    3. What is required and absent keeps the study waiting, for at most ``wait_hours``; then it is useless.
    4. What is wanted and absent is waited for, for at most ``wait_hours``; then the study is worked without it.
    """
    if now - content.last < rules.quiet_seconds:
        return "waiting", "images were still coming"
    there = {"ct": _has_ct(content, rules), "slides": bool(content.slides)}
    needs = {"ct": rules.ct, "slides": rules.slides}
    used = [name for name, need in needs.items() if need != "ignored" and there[name]]
    absent = [name for name, need in needs.items() if need != "ignored" and not there[name]]
    required = [name for name in absent if needs[name] == "required"]
    if not absent:
        return "complete", f"{' and '.join(used)} came"
    if now - content.last < rules.wait_hours * 3600:
        return "waiting", f"waits for {' and '.join(absent)}"
    if required or not used:
        return "useless", f"{' and '.join(required or absent)} did not come within {rules.wait_hours:g} hours"
    return "complete", f"{' and '.join(absent)} did not come within {rules.wait_hours:g} hours"


def _has_ct(content: StudyContent, rules: Rules) -> bool:
    return any(count >= rules.min_images for count in content.ct.values())
