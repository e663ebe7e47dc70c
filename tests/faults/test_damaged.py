"""Every file that espark wrote, with a flipped bit, cut, empty or gone: made again, or named with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from harness import STEPS, Damage, Tally, content, copied, damage, outcome, run_step, written_by

from espark.bundle.folder import load_bundle
from espark.errors import BundleError, InputError, MissingStepError

KINDS: tuple[Damage, ...] = ("flip", "cut", "empty", "gone")
ALONE = ("manifest.json", "splits.csv", "prepared/status.csv")
"""What every step reads; damaged together with other files, it would hide what those lead to."""


@pytest.fixture(scope="module")
def by_step(features: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The files that each step writes, one by one."""
    study = copied(features, tmp_path_factory.mktemp("by-step") / "study")
    return {step: [name for name in written_by(study, step) if name not in ALONE] for step in STEPS}


def try_together(
    study: Path, tried: Path, tally: Tally, names: Iterable[str], kind: Damage, *, fault: str, seed: int = 0
) -> None:
    """Damage many files at once and run every step; where that does not heal all, try each file alone."""
    sound, chosen = content(study), list(names)
    groups = [chosen]
    while groups:
        group = groups.pop()
        copied(study, tried)
        for number, name in enumerate(group):
            damage(tried / name, kind, seed + number)
        found = outcome(tried, list(STEPS), sound, rescue=lambda: shutil.copy(study / "splits.csv", tried))
        if found != "healed" and len(group) > 1:
            groups += [[name] for name in group]
            continue
        for name in group:
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


def test_some_damage(finished_features: Path, by_step: dict[str, list[str]], tmp_path: Path) -> None:
    tally, tried = Tally(), tmp_path / "tried"
    names = [name for step in STEPS for name in by_step[step]]
    for kind, part in (("flip", names[::2]), ("cut", names[1::2])):
        try_together(finished_features, tried, tally, part, kind, fault="artefacts")
    for kind, name in zip(KINDS, (*ALONE, ALONE[0]), strict=True):
        try_together(finished_features, tried, tally, [name], kind, fault=name, seed=1)
    try_next_step(finished_features, tried, tally, names[::6], "cut", seed=2)
    try_bundle(finished_features / "models" / "espark", tried, tally, range(4))
    counts = {kind: sum(row[kind] for row in tally.rows.values()) for kind in ("healed", "clear", "other")}
    assert counts["healed"] > 100 and counts["clear"] > 60 and not tally.others, "\n".join(tally.others)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_artefact(
    finished_features: Path, by_step: dict[str, list[str]], tmp_path: Path, tally: Tally, kind: Damage
) -> None:
    tried = tmp_path / "tried"
    for step, names in by_step.items():
        try_together(finished_features, tried, tally, names, kind, fault=step)
        try_next_step(finished_features, tried, tally, names, kind, seed=100)
    for name in ALONE:
        for seed in range(6 if kind in ("flip", "cut") else 1):
            try_together(finished_features, tried, tally, [name], kind, fault=name, seed=seed)
    assert not tally.others, "\n".join(tally.others)


@pytest.mark.slow
def test_every_file_of_a_bundle(finished_features: Path, tmp_path: Path, tally: Tally) -> None:
    for model in sorted((finished_features / "models").iterdir()):
        try_bundle(model, tmp_path / "tried", tally, range(8))
    assert not tally.others, "\n".join(tally.others)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_artefact_of_a_study_with_images(
    images: Path, finished_images: Path, tmp_path: Path, tally: Tally, kind: Damage
) -> None:
    """What `prepare` and `explain` make of images; the rest is as in the other study."""
    names = [name for name in content(finished_images) if name.startswith(("prepared/", "explain/"))]
    names = [name for name in names if name not in ALONE]
    try_together(finished_images, tmp_path / "tried", tally, names, kind, fault="images")
    assert not tally.others, "\n".join(tally.others)
