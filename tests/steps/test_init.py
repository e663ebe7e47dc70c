"""`espark init`: the files a study starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from espark.errors import InputError
from espark.pathology.cytology import cytology_template
from espark.steps.init import init
from espark.workspace.config import StudyConfig, read_config
from espark.workspace.recipes import DEFAULT, RECIPES


def test_the_files_hold_the_default_recipe_and_are_never_overwritten(tmp_path: Path) -> None:
    layout = init(tmp_path)
    config = read_config(layout.config)
    assert config.mscalect.voices == RECIPES[DEFAULT].values["mscalect"]["voices"] != StudyConfig().mscalect.voices
    assert layout.cytology.read_text(encoding="utf-8") == cytology_template()
    with pytest.raises(InputError, match="there already"):
        init(tmp_path)


def test_a_recipe_is_written_out_and_an_unknown_one_names_those_that_there_are(tmp_path: Path) -> None:
    config = read_config(init(tmp_path / "lean", recipe="lean").config)
    assert (config.mscalect.features, config.mscalect.selected) == (("original_*",), 10)
    with pytest.raises(InputError, match="there is no recipe 'leam'") as caught:
        init(tmp_path / "other", recipe="leam")
    assert all(name in str(caught.value) for name in RECIPES)
    assert not (tmp_path / "other").exists()
