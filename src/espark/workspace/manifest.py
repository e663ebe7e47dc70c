"""``manifest.json``: versions, seeds, input hashes, the command, start and end of every step."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import logging
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from espark._version import __version__
from espark.errors import InputError, Interrupted, WriteError
from espark.files import fingerprint, noting_writes, read_json, remove_debris, write_json
from espark.work.lock import held
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import Workspace
from espark.workspace.space import with_space_needed
from espark.workspace.stored import damaged

logger = logging.getLogger("espark")

_STEPS = ("prepare", "train", "evaluate", "explain", "report")
_CHECKED = ("predictions", "evaluation", "explain", "figures")
"""Folders whose files the manifest proves."""

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
        WriteError: when nothing can be written into the study.
        InputError: when a file of an earlier step was damaged or changed.
    """
    with held(workspace.root, command_line(workspace.root), now()):
        try:
            yield from _recorded(workspace, step, facts)
        except WriteError as error:
            raise with_space_needed(error, workspace) from error


def _recorded(workspace: Workspace, step: str, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    remove_debris(workspace.root)
    check_earlier_steps(workspace, step)
    entry: dict[str, Any] = {
        "command": command_line(workspace.root),
        "start": now(),
        "end": None,
        "state": "running",
        **facts,
    }
    _update(workspace, step, entry)
    try:
        with noting_writes() as noted:
            yield entry
    except BaseException as error:
        _note_stop(workspace, step, entry, error)
        raise
    files = (path for path in noted if path.is_file() and _is_checked(workspace, path))
    entry.update(end=now(), state="done", outputs=entry.get("outputs") or written(workspace, files))
    _update(workspace, step, entry)


def _note_stop(workspace: Workspace, step: str, entry: dict[str, Any], error: BaseException) -> None:
    """Write why a step ended early. A disk that is full may have no space for that either."""
    if isinstance(error, Interrupted):
        error.step = error.step or step
    by = str(error) if isinstance(error, Interrupted) else type(error).__name__
    entry.update(end=now(), state=f"stopped by {by}")
    with contextlib.suppress(WriteError):
        _update(workspace, step, entry)


def check_earlier_steps(workspace: Workspace, step: str) -> None:
    """Refuse what an earlier step wrote, when it was damaged or changed afterwards.

    Args:
        workspace: the opened study.
        step: the step that is about to read it.

    Raises:
        InputError: names the first such file, and the step to run again.
    """
    steps = _read(workspace.layout)["steps"]
    writers = Counter(name for entry in steps.values() for name in entry.get("outputs", {}))
    for earlier in _STEPS[: _STEPS.index(step) if step in _STEPS else None]:
        for name, content in steps.get(earlier, {}).get("outputs", {}).items():
            path = workspace.root / name
            # A file that two commands write is the one of the later command.
            if writers[name] > 1 or not _is_checked(workspace, path):
                continue
            if not path.is_file() or fingerprint(path) != content:
                what = "was changed or damaged" if path.is_file() else "is missing"
                raise damaged(path, f"the file {what} after `espark {earlier}` wrote it", workspace.root, earlier)


def _is_checked(workspace: Workspace, path: Path) -> bool:
    """Whether a step may rely on the manifest for a file; bundles, pages and what `prepare` makes have other proofs."""
    if not path.is_relative_to(workspace.root):
        return False
    folder, *below = path.relative_to(workspace.root).parts
    return folder in _CHECKED and len(below) == 1


def is_current(workspace: Workspace, step: str, key: str) -> bool:
    """Whether a step ended with these inputs and settings, and what it wrote lies there unchanged.

    Args:
        workspace: the opened study.
        step: name of the step; it put ``key`` and :func:`written` among its facts.
        key: hash of the step's inputs and settings.
    """
    entry = last_entry(workspace, step)
    if entry.get("state") != "done" or entry.get("key") != key or "outputs" not in entry:
        return False
    files = {workspace.root / name: content for name, content in entry["outputs"].items()}
    return all(path.is_file() and fingerprint(path) == content for path, content in files.items())


def last_entry(workspace: Workspace, step: str) -> dict[str, Any]:
    """The manifest's entry for the last run of a step; empty when there was none."""
    entry: dict[str, Any] = _read(workspace.layout)["steps"].get(step, {})
    return entry


def _read(layout: StudyLayout) -> dict[str, Any]:
    """The manifest; a new one where it is missing or damaged. What it said is then done again or not compared."""
    try:
        manifest = read_json(layout.manifest) if layout.manifest.exists() else {"steps": {}}
        sound = all(isinstance(entry.get("outputs", {}), dict) for entry in manifest["steps"].values())
    except (InputError, TypeError, KeyError, AttributeError):
        sound = False
    if sound:
        return dict(manifest)
    logger.warning(f"{layout.manifest} is damaged and is begun anew.")
    return {"steps": {}}


def noted(workspace: Workspace, name: str) -> Any:
    """What the manifest says of the study as a whole under a name; None when it says nothing."""
    return _read(workspace.layout).get(name)


def note(workspace: Workspace, name: str, value: Any) -> None:
    """Write a fact about the study as a whole into the manifest, where it stays when steps run again."""
    manifest = _read(workspace.layout)
    if manifest.get(name) != value:
        write_json(workspace.layout.manifest, manifest | {name: value})


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
    manifest = _read(layout)
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
