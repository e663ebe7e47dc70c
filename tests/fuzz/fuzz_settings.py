"""Settings: study.toml and cytology.toml."""

from __future__ import annotations

import random
from pathlib import Path

from fuzz_harness import Family
from mutate import damage_file, damaged_text

from espark.pathology.cytology import Cytology
from espark.steps.init import init
from espark.strict_toml import read_section
from espark.workspace.config import StudyConfig


def _damage(folder: Path, chance: random.Random) -> str:
    file = folder / chance.choice(("study.toml", "study.toml", "cytology.toml"))
    if chance.random() < 0.2:
        return damage_file(file, chance)
    text, said = damaged_text(file.read_text(encoding="utf-8"), chance)
    file.write_bytes(text.encode("utf-8", "replace"))
    return f"{file.name}: {said}"


def _read(folder: Path) -> tuple[StudyConfig, Cytology]:
    return read_section(folder / "study.toml", StudyConfig), read_section(folder / "cytology.toml", Cytology)


def _wrong(read: tuple[StudyConfig, Cytology], folder: Path) -> str:
    """What was read must come through its own checks again."""
    del folder
    config, cytology = read
    same = StudyConfig.model_validate(config.model_dump()) == config
    return "" if same and Cytology.model_validate(cytology.model_dump()) == cytology else "it does not come back"


FAMILIES = {"TOML": Family(init, _damage, _read, _wrong)}
