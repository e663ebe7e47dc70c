"""Every file that espark wrote, with a flipped bit, cut, empty or gone: made again, or named with what to do."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from fault_harness import STEPS, Damage, Stages, Tally, content, copied, damage, outcome, run_step

from espark.bundle.folder import load_bundle
from espark.errors import BundleError, InputError, MissingStepError

KINDS: tuple[Damage, ...] = ("flip", "cut", "empty", "gone")
ALONE = ("manifest.json", "splits.csv", "prepared/status.csv")
"""What every step reads; damaged together with other files, it would hide what those lead to."""


def artefacts(stages: Stages, *steps: str) -> list[str]:
    """The files that steps write, one by one."""
    names = (name for step in steps or STEPS for name in stages[step].written)
    return [name for name in dict.fromkeys(names) if name not in ALONE]


def try_together(
    study: Path, tried: Path, tally: Tally, damaged: Mapping[str, Damage], *, fault: str, seed: int = 0
) -> None:
    """Damage many files at once and run every step; where that does not heal all, try each file alone."""
    sound, groups = content(study), [damaged]
    while groups:
        group = groups.pop()
        copied(study, tried)
        for number, (name, kind) in enumerate(group.items()):
            damage(tried / name, kind, seed + number)
        found = outcome(tried, list(STEPS), sound, rescue=lambda: shutil.copy(study / "splits.csv", tried))
        if found != "healed" and len(group) > 1:
            groups += [{name: kind} for name, kind in group.items()]
            continue
        for name, kind in group.items():
            tally.add(f"{fault}, all steps: {kind}", found, name)


def read_by(name: str) -> str | None:
    """The first step that reads a file of an earlier step without making it again."""
    folder = name.partition("/")[0] if not name.endswith("-members.csv") else "evaluation"
    return {"predictions": "evaluate", "evaluation": "report", "explain": "report", "figures": "report"}.get(folder)


def try_next_step(study: Path, tried: Path, tally: Tally, names: Iterable[str], kind: Damage, seed: int) -> None:
    """Damage one file and run the step alone that reads it: it names the file and what to run."""
    for number, name in enumerate(names):
        step = read_by(name)
        if step is None or name.count("/") > 1:
            continue
        copied(study, tried)
        damage(tried / name, kind, seed + number)
        try:
            run_step(tried, step)
            found = "unnoticed"
        except InputError as error:
            advised = error.action is not None and "Run `espark" in error.action
            named = name in str(error.where) or isinstance(error, MissingStepError)
            found = "clear" if named and advised else str(error)
        tally.add(f"{name.partition('/')[0]}, the next step alone: {kind}", found, name)


def try_bundle(bundle: Path, tried: Path, tally: Tally, seeds: range) -> None:
    """Damage each file of a bundle, over and over."""
    for path in sorted(bundle.iterdir()):
        for kind in KINDS:
            for seed in seeds if kind in ("flip", "cut") else seeds[:1]:
                copied(bundle, tried)
                damage(tried / path.name, kind, seed)
                try:
                    load_bundle(tried)
                    found = "unnoticed"
                except BundleError as error:
                    found = "clear" if error.where and error.action else str(error)
                tally.add(f"bundle: {kind}", found, f"{path.name}, seed {seed}")


def test_some_damage(feature_stages: Stages, tmp_path: Path) -> None:
    tally, tried, study = Tally(), tmp_path / "tried", feature_stages["report"].after
    kinds = itertools.cycle(KINDS)
    damaged = {name: next(kinds) for name in artefacts(feature_stages)}
    try_together(study, tried, tally, damaged, fault="artefacts")
    try_together(study, tried, tally, {"manifest.json": "cut", "prepared/status.csv": "empty"}, fault="tables")
    try_together(study, tried, tally, {"splits.csv": "flip"}, fault="splits.csv")
    for kind, start in (("flip", 0), ("cut", 1)):
        try_next_step(study, tried, tally, list(damaged)[start::12], kind, seed=2)
    try_bundle(study / "models" / "espark", tried, tally, range(4))
    counts = {kind: sum(row[kind] for row in tally.rows.values()) for kind in ("healed", "clear", "other")}
    assert counts["healed"] > 100 and counts["clear"] > 60 and not tally.others, "\n".join(tally.others)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", KINDS)
def test_every_artefact(feature_stages: Stages, tmp_path: Path, tally: Tally, kind: Damage) -> None:
    tried, study = tmp_path / "tried", feature_stages["report"].after
    for step in STEPS:
        names = artefacts(feature_stages, step)
        try_together(study, tried, tally, dict.fromkeys(names, kind), fault=f"written by {step}")
        try_next_step(study, tried, tally, names, kind, seed=100)
    for name in ALONE:
        for seed in range(4 if kind in ("flip", "cut") else 1):
            try_together(study, tried, tally, {name: kind}, fault=name, seed=seed)
    assert not tally.others, "\n".join(tally.others)


@pytest.mark.slow
def test_every_file_of_a_bundle(feature_stages: Stages, tmp_path: Path, tally: Tally) -> None:
    for model in sorted((feature_stages["report"].after / "models").iterdir()):
        try_bundle(model, tmp_path / "tried", tally, range(8))
    assert not tally.others, "\n".join(tally.others)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", KINDS)
def test_every_artefact_of_images(image_stages: Stages, tmp_path: Path, tally: Tally, kind: Damage) -> None:
    """What `prepare` and `explain` make of images; the rest is as in the other study."""
    names = artefacts(image_stages, "prepare", "explain")
    study = image_stages["report"].after
    try_together(study, tmp_path / "tried", tally, dict.fromkeys(names, kind), fault="made of images")
    assert not tally.others, "\n".join(tally.others)
