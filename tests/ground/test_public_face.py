"""What the package promises to the outside."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import espark
import espark.plugins
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


def _public() -> list[tuple[str, object]]:
    """Every public name, and the public methods and properties of the public classes that espark itself defines."""
    found: list[tuple[str, object]] = []
    for module in (espark, espark.plugins):
        for name in module.__all__:
            thing = getattr(module, name)
            if name.startswith("__") or not getattr(thing, "__module__", "").startswith("espark"):
                continue
            found.append((name, thing))
            if inspect.isclass(thing):
                fields = (
                    {field.name for field in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else set()
                )
                keys = [key for key in vars(thing) if not key.startswith("_") and key not in fields]
                own = [(f"{name}.{key}", vars(thing)[key]) for key in keys]
                found += [(key, value) for key, value in own if callable(value) or isinstance(value, property)]
    return found


def test_every_public_name_is_documented() -> None:
    names = _public()
    assert len(names) > 80
    assert not [name for name, thing in names if not (inspect.getdoc(thing) or "").strip()]


def test_every_argument_of_a_public_function_is_documented() -> None:
    missing = []
    for name, thing in _public():
        if inspect.isfunction(thing) and "." not in name:
            arguments = [key for key in inspect.signature(thing).parameters if not key.startswith("_")]
            text = inspect.getdoc(thing) or ""
            missing += [f"{name}({key})" for key in arguments if len(arguments) > 1 and f"{key}:" not in text]
    assert not missing


def test_the_methods_of_a_study() -> None:
    assert sorted(name for name in vars(espark.Study) if not name.startswith("_")) == [
        "ablate", "ablate_cell_types", "anndata", "bundle", "cell_types", "check", "cohort", "compare_ct_models", "ct",
        "evaluate",
        "explain", "explain_pair", "explain_voxel_maps", "figure", "metrics", "predictions", "prepare", "radiomics",
        "regions", "report", "run", "table", "tile_features", "tile_pictures", "tiles", "train", "verify", "workspace",
    ]  # fmt: skip
