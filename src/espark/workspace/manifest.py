"""``manifest.json``: versions, seeds, input hashes, the command, start and end of every step."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from espark._version import __version__
from espark.files import fingerprint, read_json, remove_debris, write_json
from espark.work.lock import held
from espark.workspace.opened import Workspace

_LIBRARIES = (
    "numpy", "scipy", "pandas", "torch", "scikit-learn", "scikit-image", "SimpleITK", "pydicom", "pyradiomics-bhklab",
    "openslide-python", "h5py", "captum", "matplotlib",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of espark, Python and the libraries that the numbers depend on."""
    found = {"espark": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found


@contextlib.contextmanager
def recorded(workspace: Workspace, step: str, **facts: Any) -> Iterator[dict[str, Any]]:
    """Record a step in the manifest: its start, its end, how it went, and the facts it adds.

    The study is held for this process as long as the step runs.

    Yields:
        A dictionary to which the step may add facts about itself.

    Raises:
        StudyBusyError: when another process works on the study.
    """
    with held(workspace.root, command_line(workspace.root), now()):
        yield from _recorded(workspace, step, facts)


def _recorded(workspace: Workspace, step: str, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    remove_debris(workspace.root)
    entry: dict[str, Any] = {
        "command": command_line(workspace.root),
        "start": now(),
        "end": None,
        "state": "running",
        **facts,
    }
    _update(workspace, step, entry)
    try:
        yield entry
    except BaseException as error:
        entry.update(end=now(), state=f"stopped by {type(error).__name__}")
        _update(workspace, step, entry)
        raise
    entry.update(end=now(), state="done")
    _update(workspace, step, entry)


def is_current(workspace: Workspace, step: str, key: str) -> bool:
    """Whether a step ended with these inputs and settings, and what it wrote lies there unchanged.

    Args:
        workspace: the opened study.
        step: name of the step; it put ``key`` and :func:`written` among its facts.
        key: hash of the step's inputs and settings.
    """
    entry = last_entry(workspace, step)
    if entry.get("state") != "done" or entry.get("key") != key:
        return False
    files = {workspace.root / name: content for name, content in entry["outputs"].items()}
    return all(path.is_file() and fingerprint(path) == content for path, content in files.items())


def last_entry(workspace: Workspace, step: str) -> dict[str, Any]:
    """The manifest's entry for the last run of a step; empty when there was none."""
    manifest = workspace.layout.manifest
    entry: dict[str, Any] = read_json(manifest)["steps"].get(step, {}) if manifest.exists() else {}
    return entry


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the files whose hash is another than before, or that came or went."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def written(workspace: Workspace, files: Iterable[Path]) -> dict[str, str]:
    """Hash of each file a step wrote, by its place in the study."""
    return {str(path.relative_to(workspace.root)): fingerprint(path) for path in sorted(files)}


def command_line(root: Path) -> str:
    """The command that is running, without this machine's folders.

    Files of the study stand by their place in it (the study itself is ``.``), all others by their name alone.

    Args:
        root: folder of the study.
    """
    program, *arguments = sys.argv
    name = Path(program).name
    # That is how Python calls it for `python -m espark`.
    name = "espark" if name == "__main__.py" else name
    return shlex.join([name, *(_without_folders(argument, root.resolve()) for argument in arguments)])


def _without_folders(argument: str, root: Path) -> str:
    option, equals, value = argument.partition("=")
    if not (equals and option.startswith("--")):
        option, equals, value = "", "", argument
    path = Path(value).expanduser()
    inside = path.resolve().is_relative_to(root) and (path.exists() or path.is_absolute())
    if inside:
        value = path.resolve().relative_to(root).as_posix()
    elif path.name:
        value = path.name
    return f"{option}{equals}{value}"


def _update(workspace: Workspace, step: str, entry: dict[str, Any]) -> None:
    layout = workspace.layout
    manifest = read_json(layout.manifest) if layout.manifest.exists() else {"steps": {}}
    manifest["versions"] = versions()
    manifest["seed"] = workspace.config.study.seed
    manifest["simulated"] = workspace.config.study.simulated
    manifest["inputs"] = {
        path.name: fingerprint(path) for path in (layout.config, layout.cohort, layout.cytology) if path.exists()
    }
    manifest["steps"][step] = entry
    write_json(layout.manifest, manifest)


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
