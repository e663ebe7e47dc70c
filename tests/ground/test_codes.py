"""Every code is registered, used and explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from espark.codes import CODES
from espark.codes.page import codes_page
from espark.notes import Note, codes_of

ROOT = Path(__file__).parents[2]
PATTERN = re.compile(r"\b[EDN]-(?:FILE|CT|REGION|SLIDE|TABLE|FEATURE|STUDY|MODEL)-\d{3}\b")


def used_codes() -> set[str]:
    files = [path for path in (ROOT / "src").rglob("*.py") if "codes" not in path.parent.parts[-1]]
    return {code for path in files for code in PATTERN.findall(path.read_text(encoding="utf-8"))}


def test_every_code_is_well_formed_and_explained() -> None:
    for key, code in CODES.items():
        assert PATTERN.fullmatch(key)
        assert code.meaning.endswith(".") and code.mend.endswith("."), key
        assert not code.title.endswith("."), key
        if not key.startswith("N-"):
            assert code.mend != "Nothing needs to be done.", key


def test_a_code_is_registered_once() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/espark/codes").glob("*.py"))
    keys = re.findall(r'^        "([EDN]-[A-Z]+-\d+)"', text, re.MULTILINE)
    assert sorted(keys) == sorted(set(keys)) == sorted(CODES)


def test_every_code_is_used_and_every_used_code_is_registered() -> None:
    assert used_codes() == set(CODES)


def test_the_page_of_the_docs_is_current() -> None:
    assert (ROOT / "docs/codes.md").read_text(encoding="utf-8") == codes_page(), "run python -m espark.codes"


def test_notes_come_back_from_json_and_old_sentences_still_read() -> None:
    note = Note("N-CT-005", "3 scout views were ignored.")
    assert Note.from_json(note.to_json()) == note
    assert Note.from_json("an old sentence") == Note("", "an old sentence")
    assert str(Note("", "an old sentence")) == "an old sentence"
    with pytest.raises(ValueError, match="N-CT-999"):
        Note("N-CT-999", "unknown")


def test_codes_of_notes_each_once() -> None:
    notes = [Note("N-CT-005", "a"), Note("", "b"), Note("D-CT-001", "c"), Note("N-CT-005", "d")]
    assert codes_of(notes) == "N-CT-005 D-CT-001"
