from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from espark.errors import ConfigError, InputProblems
from espark.types import ClinicalColumn
from espark.workspace.config import StudyConfig, StudySettings, read_config
from espark.workspace.recipes import DEFAULT, RECIPES
from espark.workspace.template import config_template


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_template_of_the_published_recipe_says_the_defaults_of_a_file_without_any_line(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, config_template(recipe="published"))) == StudyConfig()


def test_a_new_study_has_the_default_recipe(tmp_path: Path) -> None:
    assert config_template() == config_template(recipe=DEFAULT)
    assert DEFAULT == "robust" and read_config(write(tmp_path, config_template())).espark.weighted_sum


def test_settings_that_are_left_out_are_those_of_the_paper() -> None:
    config = StudyConfig()
    assert (config.mscalect.width, config.mscalect.depth, config.mscalect.epochs) == (192, 3, 50)
    assert (config.mscalect.learning_rate, config.mscalect.weight_decay) == (1e-4, 1e-4)
    assert (config.mscalect.batch_size, config.mscalect.label_smoothing) == (256, 0.2)
    assert (config.cytopath.hidden, config.cytopath.attention) == (256, 128)
    assert (config.espark.epochs, config.espark.learning_rate, config.espark.batch_size) == (25, 3e-4, 1)
    assert (config.espark.label_smoothing, config.espark.ct_learning_rate_factor) == (0.1, 0.01)
    assert (config.protocol.folds, config.study.seed, config.slides.min_tissue) == (10, 3407, 0.3)


def test_the_template_carries_clinical_columns_and_overrides(tmp_path: Path) -> None:
    text = config_template(
        StudySettings(name='The "first"', simulated=True),
        (ClinicalColumn("age", "number", "years"), ClinicalColumn("sex", "category")),
        {"ct": {"image_types": ("Original",)}},
    )
    config = read_config(write(tmp_path, text))
    assert config.study.name == 'The "first"'
    assert config.study.simulated
    assert config.ct.image_types == ("Original",)
    assert config.clinical_columns == (ClinicalColumn("age", "number", "years"), ClinicalColumn("sex", "category"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_defaults_but_for_its_values(tmp_path: Path, name: str) -> None:
    found = read_config(write(tmp_path, config_template(recipe=name))).model_dump()
    default = StudyConfig().model_dump()
    values = RECIPES[name].values
    for section, keys in values.items():
        for key, value in keys.items():
            assert found[section].pop(key) == value != default[section].pop(key)
    assert found == default


def test_every_problem_is_told_at_once_with_line_and_nearest_key(tmp_path: Path) -> None:
    text = '[study]\nnmae = "x"\n[ct]\nimage_types = ["Wavlet"]\n[espark]\nepochs = 0\n[[clinical]]\nkind = "number"\n'
    with pytest.raises(InputProblems) as caught:
        read_config(write(tmp_path, text))
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 4
    assert "line 2: unknown key 'study.nmae'. Did you mean 'name'?" in said[0]
    assert "line 4" in said[1]
    assert "did you mean Wavelet?" in said[1]
    assert "line 6: 'espark.epochs' cannot be used (found: 0)" in said[2]
    assert "'clinical.0.name' is missing" in said[3]


@pytest.mark.parametrize(("text", "expected"), [("[study", "not TOML"), ("[stdy]\n", "Did you mean 'study'?")])
def test_unusable_files(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises((ConfigError, InputProblems), match=expected.replace("?", r"\?")):
        read_config(write(tmp_path, text))


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="espark init"):
        read_config(tmp_path / "study.toml")


def test_native_spacing(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, '[ct]\nspacing_mm = "native"\n')).ct.spacing_mm == "native"


def test_the_template_is_valid_toml_with_a_comment_on_every_key() -> None:
    lines = config_template().splitlines()
    tomllib.loads(config_template())
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("#"), line


def test_an_unknown_fusion_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputProblems, match=r"unknown fusion 'cross-atention'; did you mean cross-attention\?"):
        read_config(write(tmp_path, '[espark]\nfusion = "cross-atention"\n'))


def test_a_fusion_of_clinical_columns_needs_some(tmp_path: Path) -> None:
    with pytest.raises(InputProblems, match=r"no clinical column is declared; add a \[\[clinical\]\] table"):
        read_config(write(tmp_path, "[espark]\nclinical = true\n"))
    declared = '[espark]\nclinical = true\n[[clinical]]\nname = "age"\n'
    assert read_config(write(tmp_path, declared)).espark.clinical


def test_no_two_folds_of_any_two_seeds_share_their_weights_seed() -> None:
    seeds = [StudyConfig(study={"seed": seed}).fold_seed(fold) for seed in range(30) for fold in range(50)]
    assert len(set(seeds)) == len(seeds)
