"""What the package promises to the outside."""

from __future__ import annotations

import subprocess
import sys

import espark
from espark.cells import CELL_GROUPS, CELL_TYPES, COUNTED_CELLS, PROMPT_TEMPLATES
from espark.ct.features.image_types import IMAGE_TYPES
from espark.training.members.catalogue import MODELS


def test_the_public_names() -> None:
    assert sorted(espark.__all__) == [
        "Bundle", "CytoPath", "ESpark", "EsparkError", "InputError", "InputProblems", "MScaleCT", "NewPatient",
        "PatientAnswer", "Study", "__version__", "load_bundle", "predict", "register_aggregator", "register_ct_model",
        "register_encoder", "register_fusion", "register_segmenter",
    ]  # fmt: skip
    assert all(getattr(espark, name) is not None for name in espark.__all__)
    assert dir(espark) == sorted(espark.__all__)


def test_the_commands() -> None:
    result = subprocess.run([sys.executable, "-m", "espark", "--help"], capture_output=True, text=True, check=True)
    for command in ("demo", "simulate", "init", "check", "prepare", "train", "evaluate", "explain", "report", "run",
                    "predict", "ablate", "doctor"):  # fmt: skip
        assert f" {command} " in result.stdout
    assert "not a medical device" in result.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from espark.cli import app; import espark.study;"
        "print([m for m in ('torch', 'SimpleITK', 'openslide', 'radiomics', 'pandas', 'matplotlib', 'numpy')"
        " if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_registries_agree() -> None:
    known = {entry.key for entry in CELL_TYPES}
    assert set(COUNTED_CELLS) <= known
    assert all(key in known for keys in CELL_GROUPS.values() for key in keys)
    assert len(PROMPT_TEMPLATES) == len(set(PROMPT_TEMPLATES)) == 22
    assert len(CELL_TYPES) == 10
    assert list(MODELS)[-1] == "espark"
    assert len(IMAGE_TYPES) == 10
