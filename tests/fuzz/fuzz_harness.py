"""Damaged files one after the other, read in a process of its own: what comes of each."""

from __future__ import annotations

import importlib
import multiprocessing
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

SECONDS, START_SECONDS = 20.0, 120.0
BYTES = 1 << 30
BAD = ("crash", "hang", "over memory", "silently wrong")
KINDS = ("refused", "read", *BAD)

FAMILIES = {
    "SVS": "fuzz_slides", "TIFF": "fuzz_slides", "OME-TIFF": "fuzz_slides", "DICOM slide": "fuzz_slides",
    "MRXS": "fuzz_slides", "NIfTI": "fuzz_volumes", "NRRD": "fuzz_volumes", "DICOM series": "fuzz_volumes",
    "RTSTRUCT": "fuzz_regions", "SEG": "fuzz_regions", "label map": "fuzz_regions", "CSV": "fuzz_tables",
    "XLSX": "fuzz_tables", "Parquet": "fuzz_tables", "HDF5 from elsewhere": "fuzz_features",
    "HDF5 of espark": "fuzz_features", "TOML": "fuzz_settings", "bundle": "fuzz_bundles",
}  # fmt: skip
"""Every kind of input, and the module with its `Family`."""


@dataclass(frozen=True)
class Family:
    """How files of one kind are made, damaged, read and judged.

    Attributes:
        make: writes undamaged files into a folder.
        damage: damages a copy of the folder in one way, and says which.
        read: reads it. It raises an `EsparkError`, or returns a value.
        wrong: why a value cannot be right; empty when it can. It gets the value and the folder that was read.
    """

    make: Callable[[Path], None]
    damage: Callable[[Path, random.Random], str]
    read: Callable[[Path], Any]
    wrong: Callable[[Any, Path], str]


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        kind: one of `KINDS`.
        damage: what was done to the file.
        detail: what was said, or where it crashed.
        seconds: processor time that the reader took.
        grown: memory that it took at most, in bytes.
    """

    kind: str
    damage: str = ""
    detail: str = ""
    seconds: float = 0.0
    grown: int = 0


def run_case(family: Family, undamaged: Path, name: str, number: int) -> Outcome:
    """One case. The same name and number always make the same case."""
    from espark.errors import EsparkError

    chance = random.Random(f"{name} {number}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(undamaged, Path(temporary) / "case"))
        damage = family.damage(folder, chance)
        before = _forget_peak()
        start = time.process_time()
        try:
            value = family.read(folder)
            wrong = family.wrong(value, folder)
            kind, detail = ("silently wrong", wrong) if wrong else ("read", "")
        except EsparkError as error:
            kind, detail = "refused", str(error)[:1000]
        except Exception as error:  # a crash of any kind is what is looked for
            place = traceback.extract_tb(error.__traceback__)
            ours = next((part for part in reversed(place) if "/espark/" in part.filename), place[-1])
            kind = "crash"
            detail = f"{type(error).__name__}: {error} ({Path(ours.filename).name}:{ours.lineno})"[:400]
        seconds, grown = time.process_time() - start, _peak() - before
    if kind in ("refused", "read") and grown > BYTES:
        kind = "over memory"
    return Outcome(kind, damage, detail, seconds, grown)


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) << 10


def family_of(name: str) -> Family:
    """The family of this name."""
    found: Family = importlib.import_module(FAMILIES.get(name, "fuzz_bombs")).FAMILIES[name]
    return found


def _serve(pipe: Connection, folder: Path, limit: int) -> None:
    import logging
    import resource
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    while True:
        name, number = pipe.recv()
        family, undamaged = family_of(name), folder / name.replace("/", "-")
        if not undamaged.exists():
            undamaged.mkdir(parents=True)
            family.make(undamaged)
        pipe.send(run_case(family, undamaged, name, number))


class Reading:
    """A process that reads one case after the other, and is replaced when it dies or takes too long."""

    def __init__(self, folder: Path, limit: int = 16 << 30):
        self.folder, self.limit = folder, limit
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, self.folder, self.limit), daemon=True)
        self.process.start()
        there.close()
        self.started: set[str] = set()

    def case(self, name: str, number: int) -> Outcome:
        """One case, within its limits."""
        seconds = SECONDS if name in self.started else START_SECONDS  # the first case waits for imports
        self.started.add(name)
        self.pipe.send((name, number))
        outcome = Outcome("hang", detail=f"more than {seconds:g} s")
        try:
            if self.pipe.poll(seconds):
                answer: Outcome = self.pipe.recv()
                return answer
        except (EOFError, ConnectionError):
            self.process.join()
            outcome = Outcome("crash", detail=f"the process died ({self.process.exitcode})")
        self.process.kill()
        self.process.join()
        self._start()
        return outcome

    def cases(self, name: str, numbers: range) -> Iterator[tuple[int, Outcome]]:
        """Cases of one family."""
        for number in numbers:
            yield number, self.case(name, number)
