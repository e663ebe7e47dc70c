"""Where a name in study.toml leads: espark's own entries, what was registered from Python, and installed packages."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from espark import catalogue
from espark.catalogue import Catalogue, Plugin, registrations, running
from espark.errors import EncoderError, ImageError, PluginError
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.work.workers import side_by_side

GROUP = "test.shapes"


@dataclass(frozen=True)
class Shape:
    name: str
    build: Any


def square() -> str:
    return "square"


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_registered", {})


@pytest.fixture
def shapes() -> Catalogue[Shape]:
    return Catalogue("shape", GROUP, (Shape("square", square),), error=EncoderError)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which :func:`install` puts packages."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def install(folder: Path, package: str, version: str, names: dict[str, str], code: str, group: str = GROUP) -> None:
    """A package as pip would leave it: a module and its metadata with entry points."""
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = "".join(f"{name} = {module}:{entry}\n" for name, entry in names.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    (info / "top_level.txt").write_text(f"{module}\n")


ROUND = "from test_catalogue import Shape\nROUND = Shape('round', lambda: 'round')\n"


def test_own_entries_come_first_and_unknown_names_get_the_nearest(shapes: Catalogue[Shape]) -> None:
    assert list(shapes) == ["square"] == list(shapes.own) and len(shapes) == 1
    assert shapes["square"].build() == "square" and shapes.plugin("square") is None and shapes.plugins() == []
    with pytest.raises(KeyError):
        shapes["round"]
    with pytest.raises(EncoderError, match=r"there is no shape 'squares'\. Expected: one of square\. Did you mean sq"):
        shapes.find("squares")


def test_what_is_registered_is_found_and_knows_where_it_comes_from(shapes: Catalogue[Shape]) -> None:
    shapes.register(Shape("round", square))
    assert list(shapes) == ["square", "round"] and shapes.find("round").name == "round"
    plugin = shapes.plugin("round")
    assert plugin is not None
    assert (plugin.kind, plugin.name, plugin.package, plugin.version) == ("shape", "round", "test_catalogue", "")
    assert plugin.release == plugin.code != ""  # without a version, the code counts
    again = Shape("round", test_what_is_registered_is_found_and_knows_where_it_comes_from)
    shapes.register(again)
    assert shapes["round"] is again


def test_a_registered_entry_of_an_installed_package_has_its_version(shapes: Catalogue[Shape]) -> None:
    import numpy as np

    shapes.register(Shape("round", np.ones))
    plugin = shapes.plugin("round")
    assert plugin is not None and (plugin.package, plugin.version) == ("numpy", importlib.metadata.version("numpy"))
    assert str(plugin) == f"the shape 'round' of numpy {plugin.version}"


def test_a_name_belongs_to_one_package(shapes: Catalogue[Shape], packages: Path) -> None:
    with pytest.raises(PluginError, match="'square' of a shape is already used by espark itself"):
        shapes.register(Shape("square", square))
    install(packages, "round-shapes", "1.2", {"round": "ROUND"}, ROUND)
    with pytest.raises(PluginError, match="'round' of a shape is already used by round-shapes"):
        shapes.register(Shape("round", square))
    with pytest.raises(PluginError, match="'red' is not a shape"):
        shapes.register("red")  # type: ignore[arg-type]
    install(packages, "other-shapes", "0.1", {"round": "ROUND"}, ROUND)
    with pytest.raises(PluginError, match="already used by other-shapes and round-shapes"):
        shapes["round"]
    assert list(shapes) == ["square"]
    assert {plugin.package for plugin, problem in shapes.plugins() if "already used by" in problem} == {
        "other-shapes", "round-shapes",
    }  # fmt: skip


def test_installed_packages_are_imported_only_when_asked_for(shapes: Catalogue[Shape], packages: Path) -> None:
    install(packages, "round-shapes", "1.2", {"round": "ROUND"}, ROUND)
    assert shapes["square"].name == "square" and "round_shapes" not in sys.modules
    assert shapes["round"].build() == "round" and "round_shapes" in sys.modules
    assert list(shapes) == ["square", "round"]
    plugin = shapes.plugin("round")
    assert plugin is not None and (plugin.package, plugin.version, len(plugin.code)) == ("round-shapes", "1.2", 64)
    assert plugin.release == "1.2"
    assert shapes.plugins() == [(plugin, "")]


def test_the_hash_of_the_code_follows_every_file_of_a_package(packages: Path) -> None:
    folder = packages / "polygons"
    folder.mkdir()
    for name in ("__init__", "entries", "corners"):
        (folder / f"{name}.py").write_text(f"NAME = '{name}'\n")
    first = catalogue._code_of_module("polygons.entries")
    catalogue._code_of_module.cache_clear()
    assert catalogue._code_of_module("polygons.corners") == first
    (folder / "corners.py").write_text("NAME = 5\n")
    catalogue._code_of_module.cache_clear()
    assert catalogue._code_of_module("polygons.entries") != first
    assert catalogue._code_of_module("no_such_module.at_all") == ""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_library\n", "cannot be loaded (ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('no GPU')\n", "cannot be loaded (RuntimeError: no GPU)"),
        ("", "cannot be loaded (AttributeError"),
        ("ROUND = 3\n", "gives 3"),
        ("from test_catalogue import Shape\nROUND = Shape('other', print)\n", "gives Shape(name='other'"),
    ],
)
def test_a_broken_package_is_an_error_only_when_it_is_asked_for(
    shapes: Catalogue[Shape], packages: Path, code: str, reason: str
) -> None:
    install(packages, "round-shapes", "1.2", {"round": "ROUND"}, code)
    assert list(shapes) == ["square"]
    with pytest.raises(PluginError, match="package round-shapes") as caught:
        shapes.find("round")
    assert reason in str(caught.value)
    ((plugin, problem),) = shapes.plugins()
    assert plugin.package == "round-shapes" and reason in problem


def test_a_package_cannot_take_the_place_of_an_own_entry(shapes: Catalogue[Shape], packages: Path) -> None:
    install(packages, "round-shapes", "1.2", {"square": "ROUND"}, ROUND)
    assert shapes["square"].build() == "square"
    ((_, problem),) = shapes.plugins()
    assert problem == "espark has its own shape of this name, which is used instead"


def test_entry_points_without_a_distribution_are_named_by_their_module(
    shapes: Catalogue[Shape], packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages / "loose.py").write_text(ROUND)
    point = EntryPoint("round", "loose:ROUND", GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == GROUP else [])
    plugin = shapes.plugin("round")
    assert plugin is not None and (plugin.package, plugin.version) == ("loose", "")
    assert shapes["round"].build() == "round"


def test_a_lent_entry_is_known_for_a_while_under_a_name_of_its_own(shapes: Catalogue[Shape]) -> None:
    mine = Shape("square", print)
    with shapes.lent(mine) as name, shapes.lent(mine) as other:
        assert name != other and shapes[name] is shapes[other] is mine
    assert name not in shapes and other not in shapes and shapes["square"].build is square


def test_what_fails_in_a_plug_in_names_it() -> None:
    plugin = Plugin("shape", "round", "round-shapes", "1.2")
    named = r"the shape 'round' of round-shapes 1\.2: "
    with pytest.raises(PluginError, match=rf"{named}it failed \(ZeroDivisionError"), running(plugin):
        1 / 0  # noqa: B018
    with pytest.raises(PluginError, match=rf"{named}the body is missing\. Look again"), running(plugin):
        raise ImageError("the body is missing", action="Look again.")


def _known_in_worker(name: str) -> str:
    return AGGREGATORS[name].title


def test_worker_processes_know_what_was_registered() -> None:
    from espark.models.aggregators.catalogue import AggregatorEntry

    with pytest.raises(KeyError):
        AGGREGATORS["test-median"]
    AGGREGATORS.register(AggregatorEntry("test-median", "Median", lambda features, hidden, attention: None))  # type: ignore[arg-type,return-value]
    assert registrations().keys() == {AGGREGATORS.group}
    for workers in (1, 2):
        assert list(side_by_side(_known_in_worker, ["test-median"] * 3, workers=workers)) == ["Median"] * 3
