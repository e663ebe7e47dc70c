"""Faults: a step that is stopped at any write, a full disk, damaged files; and what comes of them.

An outcome is *healed* when the study has the bytes of an undisturbed one afterwards, and *clear* when one sentence
names what was found and what to do, and doing it heals. Everything else is a defect of espark.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from espark.errors import EsparkError, InputError
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.explain.explain import explain
from espark.steps.prepare.prepare import prepare
from espark.steps.report.report import report
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
STEPS: dict[str, Callable[..., Any]] = {
    "prepare": prepare, "train": train, "evaluate": evaluate, "explain": explain, "report": report,
}  # fmt: skip
LOCKS = {".lock", ".lock-holder.json"}
DEAD = 2**22 + 1  # above the largest process id that Linux gives

_ADVICE = re.compile(r"Run `espark (\w+) ")
_TIMES = ("start", "end", "command")


class Killed(BaseException):
    """The process ends here; no code of espark may treat it as a failure of its own."""


@dataclass
class Tally:
    """How many faults were tried, by kind, and what came of them."""

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    def add(self, fault: str, outcome: str, what: str) -> None:
        row = self.rows.setdefault(fault, {"healed": 0, "clear": 0, "other": 0})
        kind = outcome if outcome in row else "other"
        row[kind] += 1
        if kind == "other":
            self.others.append(f"{fault}, {what}: {outcome}")

    def table(self) -> str:
        total = {kind: sum(row[kind] for row in self.rows.values()) for kind in ("healed", "clear", "other")}
        lines = [f"{'fault':<52} {'tried':>6} {'healed':>7} {'clear':>6} {'other':>6}"]
        for name, row in [*self.rows.items(), ("all", total)]:
            lines.append(f"{name:<52} {sum(row.values()):>6} {row['healed']:>7} {row['clear']:>6} {row['other']:>6}")
        return "\n".join(lines)


# A study before and after


@dataclass(frozen=True)
class Stage:
    """A study before and after one step; both are read only.

    Attributes:
        before: the study after all earlier steps.
        after: the study after this step too.
        written: places of the files that the step wrote.
    """

    before: Path
    after: Path
    written: tuple[str, ...]


Stages = dict[str, Stage]
"""By step."""


def copied(study: Path, target: Path) -> Path:
    """A copy that costs nothing: espark replaces files and never writes into them, and :func:`damage` does so too."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(study, target, copy_function=os.link, ignore=shutil.ignore_patterns(*LOCKS)))


def content(study: Path) -> dict[str, Any]:
    """All that a study holds, by its place; attempts, and what depends on the times of files, aside."""
    found = {}
    for path in sorted(study.rglob("*")):
        if path.is_file() and path.name not in (*LOCKS, "stamps.json"):
            name = path.relative_to(study).as_posix()
            timed = name in ("manifest.json", "prepared/status.csv")
            found[name] = _without_times(path) if timed else path.read_bytes()
    return found


def _without_times(path: Path) -> Any:
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False).drop(columns=["attempts", "seconds"]).to_csv()
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["steps"].get("pictures", {}).pop("key", None)  # made from the stamps
    for entry in manifest["steps"].values():
        for name in (*_TIMES, "changed", "inputs"):
            entry.pop(name, None)
    return manifest


def run_step(study: Path, step: str) -> None:
    """Run a step in this process, with one worker; an item that fails is an error."""
    result = STEPS[step](open_workspace(study), reporter=QUIET)
    if failed := getattr(result, "failed", ()):
        raise AssertionError(f"{failed[0].patient_id} {failed[0].item}: {failed[0].error}")


def written_by(study: Path, step: str) -> list[str]:
    """Places of the files that a step writes, the manifest aside."""
    before = {path: path.stat().st_ino for path in study.rglob("*") if path.is_file()}
    run_step(study, step)
    after = (path for path in sorted(study.rglob("*")) if path.is_file() and path.name not in LOCKS)
    return [path.relative_to(study).as_posix() for path in after if before.get(path) != path.stat().st_ino]


# Faults


@contextlib.contextmanager
def at_write(number: int, fault: Callable[[Path], BaseException]) -> Iterator[list[int]]:
    """Let the ``number``-th write of this process, from 1, and all later ones fail before the file has its name.

    Every write of espark ends with one ``fsync`` of its temporary file.

    Yields:
        How many writes were begun, as the only item of a list.
    """
    count, real = [0], os.fsync

    def counted(handle: int) -> None:
        count[0] += 1
        if count[0] >= number:
            raise fault(Path(f"/proc/self/fd/{handle}").readlink())
        real(handle)

    os.fsync = counted
    try:
        yield count
    finally:
        os.fsync = real


def killed(temporary: Path) -> Killed:
    """The process is killed: its temporary file stays behind, under the name that a dead process would have given."""
    _, _, rest = temporary.name.split("-", 2)
    shutil.copy(temporary, temporary.with_name(f".partial-{DEAD}-{rest}"))
    return Killed()


def full(temporary: Path) -> OSError:
    """The disk is full."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary))


Damage = Literal["flip", "cut", "empty", "gone"]


def damage(path: Path, kind: Damage, seed: int) -> None:
    """Damage a file, without touching other copies of it."""
    before = path.read_bytes()
    path.unlink()
    if kind == "gone":
        return
    rng = np.random.default_rng(seed)
    if kind == "flip" and before:
        place = int(rng.integers(len(before)))
        after = before[:place] + bytes([before[place] ^ 1 << int(rng.integers(8))]) + before[place + 1 :]
    else:
        after = before[: int(rng.integers(1, max(2, len(before))))] if kind == "cut" else b""
    path.write_bytes(after)


# Outcomes


def outcome(study: Path, steps: list[str], sound: dict[str, Any], rescue: Callable[[], None] | None = None) -> str:
    """Run steps on a study with a fault, follow the advice of an error once, and compare with the sound study.

    Args:
        study: the study with the fault.
        steps: what is run.
        sound: :func:`content` of the undisturbed study.
        rescue: what a person does when an error advises something else than to run a step.

    Returns:
        ``healed``, ``clear``, or what is wrong.
    """
    kind = "healed"
    try:
        for step in steps:
            run_step(study, step)
    except EsparkError as error:
        kind = "clear"
        advised = _ADVICE.search(str(error))
        if isinstance(error, InputError) and not (error.action and error.where):
            return f"the error says neither where nor what to do: {error}"
        if advised is None and rescue is None:
            return f"nothing to do: {error}"
        try:
            if advised is None:
                rescue()
            else:
                run_step(study, advised[1])
            for step in steps:
                run_step(study, step)
        except Exception as second:
            return f"the advice does not help: {error} → {type(second).__name__}: {second}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    differing = _differences(sound, content(study))
    return f"other bytes: {', '.join(differing[:4])}" if differing else kind


def _differences(sound: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return sorted(name for name in sound.keys() | found.keys() if sound.get(name) != found.get(name))
