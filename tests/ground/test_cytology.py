"""`cytology.toml`: cell types, prompts and cut-offs."""

from __future__ import annotations

from pathlib import Path

import pytest

from espark.cells import CELL_TYPES, PROMPT_TEMPLATES
from espark.errors import InputProblems
from espark.pathology.cytology import Cytology, cytology_template, read_cytology

PUBLISHED = (0.286, 0.275, 0.462, 0.441, 0.372, 0.412, 0.227, 0.318, 0.373, 0.298)


def read(folder: Path, text: str) -> Cytology:
    path = folder / "cytology.toml"
    path.write_text(text, encoding="utf-8")
    return read_cytology(path)


def test_without_a_file_the_defaults_hold_and_the_template_says_them(tmp_path: Path) -> None:
    default = read_cytology(tmp_path / "cytology.toml")
    assert default == Cytology() == read(tmp_path, cytology_template())
    assert default.keys == tuple(entry.key for entry in CELL_TYPES)
    assert default.names == tuple(entry.name for entry in CELL_TYPES)
    assert default.templates == PROMPT_TEMPLATES
    assert default.cutoffs_for("espark-mini").share == 0.15
    assert default.cutoffs_for("espark-mini").fixed == ()
    assert default.cutoffs_for("some features made elsewhere").fixed == ()


def test_the_published_cutoffs_are_a_preset(tmp_path: Path) -> None:
    cytology = read(tmp_path, '[cutoffs]\npreset = "conch"\n')
    assert cytology.cutoffs_for("espark-mini").fixed == PUBLISHED


def test_types_prompts_and_cutoffs_can_be_changed(tmp_path: Path) -> None:
    text = cytology_template().replace('name = "neutrophil"', 'name = "granulocyte"\ncutoff = 0.4')
    text = text.replace("share = 0.15", "share = 0.3") + '[[cell_types]]\nkey = "mucosa"\nname = "normal mucosa"\n'
    cytology = read(tmp_path, text)
    assert cytology.keys == (*(entry.key for entry in CELL_TYPES), "mucosa")
    assert "granulocyte" in cytology.names
    cutoffs = cytology.cutoffs_for("espark-mini")
    assert cutoffs.share == 0.3
    assert cutoffs.fixed == tuple(0.4 if key == "neutrophil" else None for key in cytology.keys)
    assert read(tmp_path, cytology_template(cytology)) == cytology


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[cutoff]\nshare = 0.2\n", "unknown key 'cutoff'. Did you mean 'cutoffs'?"),
        ("[cutoffs]\nshaer = 0.2\n", "line 2: unknown key 'cutoffs.shaer'. Did you mean 'share'?"),
        ("[cutoffs]\nshare = 15\n", "'cutoffs.share' cannot be used (found: 15)"),
        ('[cutoffs]\npreset = "clip"\n', "'cutoffs.preset' cannot be used"),
        ('templates = ["a picture"]\n', "template 'a picture' must contain {} once"),
        ('[[cell_types]]\nkey = "lymphocyte"\nname = "lymphocyte"\n', "'stromal_cell' is missing"),
        ('[[cell_types]]\nkey = "B cell"\nname = "B cell"\n', "cell_types.0.key"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputProblems) as caught:
        read(tmp_path, text)
    assert expected in str(caught.value)


def test_a_type_twice_or_without_published_cutoff_is_told(tmp_path: Path) -> None:
    extra = '[[cell_types]]\nkey = "{}"\nname = "x"\n'
    with pytest.raises(InputProblems, match="'lymphocyte' appears twice"):
        read(tmp_path, cytology_template() + extra.format("lymphocyte"))
    conch = cytology_template().replace('preset = "auto"', 'preset = "conch"')
    with pytest.raises(InputProblems, match="'mucosa' has no published cut-off"):
        read(tmp_path, conch + extra.format("mucosa"))
