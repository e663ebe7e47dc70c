"""`verify`: is everything in a study, or in a bundle, as it was written, and does it still belong together?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from espark.bundle.card import BundleCard
from espark.bundle.folder import load_bundle
from espark.errors import BundleError, EsparkError, InputError
from espark.files import fingerprint, read_json
from espark.report.formatting import counted
from espark.steps.check.sheet import sheet_key
from espark.steps.evaluate.evaluate import evaluation_key, trained_models
from espark.steps.explain.explain import explained_model
from espark.steps.prepare.as_prepared import check_as_prepared
from espark.steps.prepare.item import study_items
from espark.steps.prepare.unchanged import changed_table, left_behind, stale_items, unprepared_items, withdrawn_cts
from espark.steps.report.report_inputs import report_inputs
from espark.steps.train.splits import read_splits
from espark.steps.train.trained_data import changed_patients, changed_predictions
from espark.tables.table import listed
from espark.training.members.catalogue import MODELS
from espark.workspace.manifest import changed, last_entry
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.records import read_status

State = Literal["ok", "stale", "damaged", "missing", "failed", "not checked"]
"""``stale``: intact, but made of other data or settings than the study has now. ``not checked``: nothing to compare."""

_FINE: tuple[State, ...] = ("ok", "not checked")
_STEPS = ("prepare", "train", "evaluate", "explain", "report")


@dataclass(frozen=True)
class Verified:
    """A part of a study or bundle.

    Attributes:
        part: what was looked at.
        state: what was found.
        found: the same in words; empty when it is as it was written.
        action: what to do about it.
    """

    part: str
    state: State
    found: str = ""
    action: str = ""


@dataclass(frozen=True)
class Verification:
    """The result of `verify`, part by part."""

    parts: tuple[Verified, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is damaged, stale, missing or failed."""
        return all(part.state in _FINE for part in self.parts)

    def lines(self) -> Iterator[str]:
        """A table: state, part, and what was found; then a summary."""
        width = max(len(part.part) for part in self.parts)
        for part in self.parts:
            found = ". ".join(text.rstrip(".") for text in (part.found, part.action) if text)
            yield f"{part.state:<11}  {part.part:<{width}}  {found}".rstrip()
        counts = Counter(part.state for part in self.parts)
        yield ", ".join(f"{number} {state}" for state, number in counts.items()) + "."

    def to_json(self) -> dict[str, Any]:
        """For JSON."""
        parts = [
            {"part": part.part, "state": part.state, "found": part.found, "action": part.action} for part in self.parts
        ]
        return {"intact": self.intact, "parts": parts}


def verify(folder: Path) -> Verification:
    """Hash every file of a study or a bundle, and compare it with what was noted when it was written.

    Nothing is written, except that a record of an earlier version gets the settings that its key proves.

    Args:
        folder: a study, or a bundle.

    Raises:
        InputProblems: when the configuration or the cohort of a study cannot be used.
        InputError: when the folder is neither a study nor a bundle.
    """
    if (folder / "bundle.json").exists():
        return Verification((_bundle(folder, folder.name, "Copy it again, or train it again."),))
    if not (folder / "study.toml").exists():
        raise InputError(
            "this is neither a study nor a bundle", where=folder, expected="a folder with study.toml or bundle.json"
        )
    workspace = open_workspace(folder)
    parts = [Verified("study.toml and cohort.csv", "ok"), *_steps(workspace), *_prepared(workspace)]
    parts += _trained(workspace)
    parts += [*_evaluated(workspace), *_explained(workspace), *_reported(workspace), *_contact_sheet(workspace)]
    return Verification(tuple(parts))


def _steps(workspace: Workspace) -> Iterator[Verified]:
    """Steps that did not finish."""
    for step in _STEPS:
        state = last_entry(workspace, step).get("state", "done")
        if state != "done":
            yield Verified(f"step {step}", "failed", f"it did not finish ({state})", _again(workspace, step))


def _prepared(workspace: Workspace) -> Iterator[Verified]:
    items = list(study_items(workspace))
    stale = [*stale_items(workspace, thorough=True), *withdrawn_cts(workspace)]
    unprepared = unprepared_items(workspace)
    failed = [row for row in read_status(workspace.layout) if row.state == "failed"]
    bad = {(part.patient_id, part.item) for part in (*stale, *unprepared)} | {
        (row.patient_id, row.item) for row in failed
    }
    intact = sum(
        (item.patient.patient_id, item.name) not in bad
        and workspace.layout.record(item.patient.patient_id, item.name).exists()
        for item in items
    )
    yield Verified("prepared images", "ok", f"{intact} of {counted(len(items), 'image')}")
    for part in stale:
        yield Verified(f"{part.patient_id} {part.item}", "stale", part.what, _again(workspace, "prepare"))
    for part in unprepared:
        yield Verified(f"{part.patient_id} {part.item}", "missing", part.what, _again(workspace, "prepare"))
    for row in failed:
        yield Verified(f"{row.patient_id} {row.item}", "failed", row.error, _again(workspace, "prepare"))
    if gone := left_behind(workspace):
        yield Verified("prepared/", "not checked", f"not in cohort.csv any more: {listed(gone)}")
    try:
        check_as_prepared(workspace)
    except InputError as error:
        yield Verified("settings", "stale", error.found, error.action or "")
    if problem := changed_table(workspace):
        yield Verified("prepared/radiomics.parquet", "damaged", problem, _again(workspace, "prepare"))
    elif workspace.layout.radiomics.exists():
        yield Verified("prepared/radiomics.parquet", "ok")


def _trained(workspace: Workspace) -> Iterator[Verified]:
    if workspace.layout.splits.exists():
        try:
            read_splits(workspace)
            yield Verified("splits.csv", "ok")
        except (InputError, ValueError, KeyError) as error:
            said, action = (error.found, error.action or "") if isinstance(error, InputError) else (str(error), "")
            yield Verified("splits.csv", "damaged", said, action)
    again = _again(workspace, "train")
    for model in MODELS:
        if workspace.layout.model(model).exists():
            yield _bundle(workspace.layout.model(model), f"models/{model}", again)
    entry = last_entry(workspace, "train")
    if not entry:
        return
    if "data" not in entry:
        yield Verified("predictions", "not checked", "an earlier version trained the models and noted no hashes", again)
        return
    for found in changed_predictions(workspace):
        yield Verified("predictions", "missing" if found.endswith("missing") else "damaged", found, again)
    patients = changed_patients(workspace)
    if patients:
        yield Verified("models and predictions", "stale", f"other data now: {listed(patients)}", again)
    elif not changed_predictions(workspace):
        yield Verified("predictions", "ok")


def _bundle(folder: Path, name: str, action: str) -> Verified:
    try:
        bundle = load_bundle(folder)
    except BundleError as error:
        where = "" if error.where in (None, str(folder)) else f"{Path(str(error.where)).name}: "
        state: State = "damaged" if _has_our_format(folder) else "stale"
        return Verified(name, state, f"{where}{error.found}", error.action or action)
    except EsparkError as error:  # a plug-in that is not installed
        return Verified(name, "not checked", str(error))
    return Verified(name, "ok", f"{counted(len(bundle.card.files), 'file')} and bundle.json")


def _has_our_format(folder: Path) -> bool:
    """Whether a bundle is of the format that this version writes, or cannot be read at all."""
    try:
        return bool(read_json(folder / "bundle.json").get("format") == BundleCard.model_fields["format"].default)
    except (AttributeError, InputError):
        return True


def _evaluated(workspace: Workspace) -> Iterator[Verified]:
    entry = last_entry(workspace, "evaluate")
    if "outputs" in entry:
        yield from _outputs(workspace, "evaluation/ and figures/", entry, "evaluate")
        if entry.get("key") != evaluation_key(workspace, trained_models(workspace)):
            found = "predictions, cohort or settings changed afterwards"
            yield Verified("evaluation/ and figures/", "stale", found, _again(workspace, "evaluate"))


def _explained(workspace: Workspace) -> Iterator[Verified]:
    if last_entry(workspace, "explain"):
        yield Verified("explain/", "not checked", "its files have no hashes of their own; the report compares them")


def _reported(workspace: Workspace) -> Iterator[Verified]:
    entry = last_entry(workspace, "report")
    if "outputs" not in entry:
        return
    yield from _outputs(workspace, "report/", entry, "report")
    news = changed(entry.get("inputs", {}), report_inputs(workspace, explained_model(workspace)))
    if news:
        yield Verified("report/", "stale", f"changed afterwards: {listed(news, 5)}", _again(workspace, "report"))


def _contact_sheet(workspace: Workspace) -> Iterator[Verified]:
    entry, again = last_entry(workspace, "pictures"), f"Run `espark check --pictures {workspace.root}` again."
    if "outputs" not in entry:
        return
    if different := _different(workspace, entry["outputs"]):
        yield Verified("check.html", "damaged", ", ".join(different), again)
    elif entry.get("key") != sheet_key(workspace):
        yield Verified("check.html", "stale", "images, settings or what is prepared changed afterwards", again)
    else:
        yield Verified("check.html", "ok")


def _outputs(workspace: Workspace, part: str, entry: dict[str, Any], step: str) -> Iterator[Verified]:
    different = _different(workspace, entry["outputs"])
    if different:
        yield Verified(part, "damaged", listed(different, 5), _again(workspace, step))
    else:
        yield Verified(part, "ok", counted(len(entry["outputs"]), "file"))


def _different(workspace: Workspace, outputs: dict[str, str]) -> list[str]:
    """Files that a step wrote and that are missing or changed, in words."""
    paths: Iterable[tuple[str, Path, str]] = ((name, workspace.root / name, then) for name, then in outputs.items())
    return [
        f"{name} {'was changed' if path.exists() else 'is missing'}"
        for name, path, then in paths
        if not path.exists() or fingerprint(path) != then
    ]


def _again(workspace: Workspace, step: str) -> str:
    return f"Run `espark {step} {workspace.root}` again."
