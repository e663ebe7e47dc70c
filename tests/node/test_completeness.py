"""The written rules for when a study is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from ct_phantoms import chest, write_multiframe, write_series
from espark.node.completeness import StudyContent, judge
from espark.node.node_config import Rules

HOUR = 3600.0


def content(ct: tuple[int, ...] = (), slides: tuple[int, ...] = (), last: float = 0.0) -> StudyContent:
    return StudyContent({str(n): n for n in ct}, {str(n): n for n in slides}, 0.0, last)


@pytest.mark.parametrize(
    ("found", "needs", "hours", "verdict"),
    [
        (content((100,), (3,)), ("required", "required"), 0.1, "complete"),
        (content((100,), (3,)), ("required", "required"), 0.01, "waiting"),  # images may still come
        (content((100,)), ("required", "wanted"), 1, "waiting"),
        (content((100,)), ("required", "wanted"), 25, "complete"),  # without the slide
        (content((100,)), ("required", "required"), 25, "useless"),
        (content((), (3,)), ("wanted", "wanted"), 25, "complete"),
        (content((), (3,)), ("wanted", "ignored"), 25, "useless"),  # nothing that is used
        (content((100,)), ("required", "ignored"), 0.1, "complete"),
        (content((19,)), ("required", "ignored"), 0.1, "waiting"),  # a part of a series, or a scout
        (content((1,)), ("required", "ignored"), 0.1, "waiting"),  # the first of many
        (content((19, 20)), ("required", "ignored"), 0.1, "complete"),
    ],
)
def test_rules(found: StudyContent, needs: tuple[str, str], hours: float, verdict: str) -> None:
    rules = Rules(ct=needs[0], slides=needs[1], quiet_seconds=120)  # type: ignore[arg-type]
    assert judge(found, rules, hours * HOUR)[0] == verdict


def test_a_new_image_starts_the_quiet_time_again() -> None:
    rules = Rules(slides="ignored", quiet_seconds=120)
    assert judge(content((100,), last=1000), rules, 1100)[0] == "waiting"
    assert judge(content((100,), last=1000), rules, 1120)[0] == "complete"


def test_images_are_counted_as_files_or_as_frames(tmp_path: Path) -> None:
    write_series(tmp_path / "CT" / "1", chest())
    write_multiframe(tmp_path / "CT" / "2" / "a.dcm", chest(), order=range(12))
    write_series(tmp_path / "CT" / "3", chest()[:1])
    found = StudyContent.read(tmp_path)
    assert found is not None and found.ct == {"1": 12, "2": 12, "3": 1} and found.slides == {}
    assert StudyContent.read(tmp_path / "nothing") is None
