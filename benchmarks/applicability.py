"""When an answer is withheld: share per center, error of the withheld, and foreign inputs.

    python benchmarks/applicability.py trial                    # a prepared trial, with its images
    python benchmarks/applicability.py trial --without-images   # no foreign CT or slide, no look at the tumors
    python benchmarks/applicability.py trial --foreign 8        # patients from whom foreign inputs are made

The limits come from the development patients of the trial. Internal test and external patients are compared with them,
as eSPARK does with CT and slides. The error of an answer is |probability − true probability|, mean over label draws of
models with the recipe's settings. The risk-coverage table orders external patients by the larger of their two
distances, each as a share of its limit. Foreign inputs are made from internal test patients; a kind counts as withheld
where `prepare` refuses it or the answer is withheld. Intervals of shares are Wilson's.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from foreign_inputs import Foreign, foreign_cts, foreign_features, foreign_slides
from recipes import ALL_MODELS, Candidate, Trial, answers_of, drawn_labels, read_trial
from statsmodels.stats.proportion import proportion_confint

from espark.ct.features.radiomics import RadiomicsSettings
from espark.ct.regions.plausibility import RegionDescription, describe_region, doubts
from espark.ct.regions.regions import load_regions
from espark.files import write_csv
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.steps.prepare.prepare import radiomics_settings
from espark.training.inputs import Inputs
from espark.training.likeness.applicability import WITHHELD_RATE, Applicability, Likeness
from espark.training.likeness.views import applicability_views
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.recipes import RECIPES

MODALITIES = ("ct", "slides")
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


def fitted(trial: Trial) -> dict[str, Applicability]:
    """As `espark train` fits them for eSPARK."""
    views = [applicability_views(trial.inputs, place) for place in trial.development]
    rate = WITHHELD_RATE / len(MODALITIES)
    return {name: Applicability.fit([view[name] for view in views], rate) for name in MODALITIES}


@dataclass(frozen=True)
class Compared:
    """A patient, and what speaks against an answer.

    Attributes:
        likeness: by modality.
        tumor: doubts about the tumor region.
    """

    likeness: dict[str, Likeness]
    tumor: tuple[str, ...] = ()

    @property
    def withheld(self) -> bool:
        """Whether the answer would be withheld."""
        return bool(self.tumor) or any(found.strange or found.foreign for found in self.likeness.values())

    @property
    def ratio(self) -> float:
        """The larger steady distance, as a share of its limit."""
        return max(found.distance / found.limit for found in self.likeness.values())


def compared(checks: dict[str, Applicability], inputs: Inputs, place: int, tumor: RegionDescription | None) -> Compared:
    """One patient of a table of inputs."""
    views = applicability_views(inputs, place)
    there = {"ct": bool(inputs.has_ct[place]), "slides": bool(inputs.has_slides[place])}
    found = {name: check.compare(views[name]) for name, check in checks.items() if there[name]}
    return Compared(found, () if tumor is None else doubts(tumor, "tumor"))


def tumor_of(workspace: Workspace, patient_id: str) -> RegionDescription | None:
    """The prepared tumor of a patient in numbers."""
    ct = read_patient_ct(workspace.cohort[patient_id].files)
    regions = load_regions(workspace.layout.regions(patient_id), ct)
    return describe_region(ct, regions.mask("tumor")) if "tumor" in regions.scales else None


def share(marks: Sequence[bool] | np.ndarray) -> str:
    """A share with Wilson's interval."""
    count, n = int(np.sum(marks)), len(marks)
    low, high = proportion_confint(count, n, method="wilson")
    return f"{count / n:6.1%} ({low:.0%} to {high:.0%}; {count} of {n})"


def trial_patients(workspace: Workspace, trial: Trial, checks: dict[str, Applicability], images: bool) -> pd.DataFrame:
    """One row for each patient outside development."""
    rows = []
    for place in np.setdiff1d(np.arange(len(trial.inputs)), trial.development).tolist():
        patient = workspace.cohort[trial.inputs.patient_ids[place]]
        tumor = tumor_of(workspace, patient.patient_id) if images else None
        found = compared(checks, trial.inputs, place, tumor)
        row: dict[str, object] = {
            "patient_id": patient.patient_id, "center": patient.center, "role": patient.role
        }  # fmt: skip
        row |= {f"strange_{name}": part.strange for name, part in found.likeness.items()}
        row |= {f"shifted_{name}": part.shifted for name, part in found.likeness.items()}
        row |= {f"foreign_{name}": part.foreign for name, part in found.likeness.items()}
        row |= {f"shift_{name}": part.shift for name, part in found.likeness.items()}
        rows.append(row | {"tumor": "; ".join(found.tumor), "withheld": found.withheld, "ratio": found.ratio})
    return pd.DataFrame(rows)


def print_centers(table: pd.DataFrame, checks: dict[str, Applicability]) -> None:
    print(f"\nwithheld (aim: {WITHHELD_RATE:.0%} of patients like the development patients)")
    for center, rows in table.groupby("center"):
        print(f"center {center}: {share(rows['withheld'])}")
        parts = {
            f"{kind} {name}": rows[f"{kind}_{name}"]
            for name in MODALITIES
            for kind in ("strange", "foreign", "shifted")
        }
        parts["tumor"] = rows["tumor"] != ""
        print("   of them or noted: " + ", ".join(f"{what} {marks.mean():.0%}" for what, marks in parts.items()))
        new = [name for name in MODALITIES if checks[name].is_new_center(rows[f"shift_{name}"])]
        print(f"   new to the model: {', '.join(new) or 'nothing'}")


def errors(folder: Path, trial: Trial, recipe: str, draws: int) -> np.ndarray:
    """(external patients,) mean over the draws of |probability − true probability|."""
    values = RECIPES[recipe].values
    candidate = Candidate(ALL_MODELS, values | {"protocol": {**values.get("protocol", {}), "repeats": 1}})
    true = trial.truth.iloc[trial.external]["p_pcr"].to_numpy()
    found = []
    for draw in range(1, draws + 1):
        labels = drawn_labels(folder, draws, False)[f"pcr_{draw}"].reindex(list(trial.inputs.patient_ids)).to_numpy()
        answers = answers_of(trial, candidate, labels[trial.development].astype(np.int64))
        found.append(np.abs(answers["espark"] - true))
        print(f"draw {draw} of {draws} is done", flush=True)
    return np.asarray(np.mean(found, axis=0))


def print_errors(table: pd.DataFrame) -> None:
    """Error of the withheld against the others, and of the part that would be answered at several coverages."""
    withheld, error = table["withheld"].to_numpy(), table["error"].to_numpy()
    rng = np.random.default_rng(0)
    if withheld.any():
        differences = []
        for _ in range(2000):
            drawn = rng.integers(0, len(table), len(table))
            part = withheld[drawn]
            if part.any() and not part.all():
                differences.append(error[drawn][part].mean() - error[drawn][~part].mean())
        low, high = np.quantile(differences, [0.025, 0.975])
        one, other = error[withheld].mean(), error[~withheld].mean()
        print(f"\nmean error of the {withheld.sum()} withheld external patients: {one:.3f}")
        print(f"of the {(~withheld).sum()} others: {other:.3f} (95 % of the difference: {low:+.3f} to {high:+.3f})")
    print("coverage and mean error, the most strange left out first:")
    order = np.argsort(table["ratio"].to_numpy(), kind="stable")
    print(
        "   "
        + "  ".join(
            f"{coverage:.0%}: {error[order[: round(coverage * len(order))]].mean():.3f}" for coverage in COVERAGES
        )
    )


def foreign(workspace: Workspace, trial: Trial, count: int, images: bool, cache: Path) -> list[Foreign]:
    """Every kind of foreign input; images are kept in the work folder."""
    ids = trial.inputs.patient_ids
    roles = np.array([workspace.cohort[patient_id].role for patient_id in ids])
    places = np.flatnonzero(roles == "internal_test")[:count]
    found = list(foreign_features(trial.inputs, places))
    if cache.exists():
        return found + list(pickle.loads(cache.read_bytes()))
    if images:
        patients = [workspace.cohort[ids[place]] for place in places]
        settings: RadiomicsSettings = radiomics_settings(workspace.config.ct)
        inputs = trial.inputs
        columns = [
            f"{scale}__{name}"
            for scale, names in zip(inputs.scales, inputs.feature_names, strict=True)
            for name in names
        ]
        made = [
            *foreign_cts(patients, replace(settings, image_types=("Original",)), columns),
            *foreign_slides(patients),
        ]
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_bytes(pickle.dumps(made))
        found += made
    return found


def print_foreign(trial: Trial, checks: dict[str, Applicability], found: list[Foreign]) -> None:
    """The share of each kind that is refused or withheld."""
    empty = trial.inputs.subset([0])
    rows = []
    for one in found:
        why = "refused" if one.refused else ""
        if not one.refused:
            row = np.full_like(empty.radiomics, np.nan) if one.row is None else one.row[None]
            seen = compared(checks, replace(empty, radiomics=row, bags=(one.bag,)), 0, one.tumor)
            parts = ["strange" for part in seen.likeness.values() if part.strange]
            parts += ["foreign" for part in seen.likeness.values() if part.foreign]
            why = ", ".join([*parts, *(["tumor"] if seen.tumor else [])])
        rows.append({"modality": one.modality, "kind": one.kind, "why": why})
    table = pd.DataFrame(rows)
    print("\nforeign inputs: share that gets no answer, and why")
    for (modality, kind), part in table.groupby(["modality", "kind"], sort=False):
        said = "; ".join(f"{why or 'answered'} {count}" for why, count in part["why"].value_counts().items())
        print(f"{modality:<7}{kind:<52}{(part['why'] != '').mean():7.0%} of {len(part)}   {said}")
    kinds = table.groupby(["modality", "kind"])["why"].apply(lambda why: (why != "").all())
    print(f"all kinds: {share(table['why'] != '')}; every input of {kinds.sum()} of {len(kinds)} kinds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--draws", type=int, default=3, help="label draws for the error")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="robust")
    parser.add_argument("--foreign", type=int, default=6, help="patients from whom foreign inputs are made")
    parser.add_argument("--without-images", action="store_true",
                        help="read no image: foreign inputs only as far as the work folder has them")  # fmt: skip
    parser.add_argument("--work", type=Path, default=Path("applicability"))
    options = parser.parse_args()
    folder, images = options.trial.resolve(), not options.without_images
    workspace, trial = open_workspace(folder), read_trial(folder)
    checks = fitted(trial)
    for name, check in checks.items():
        low, high = check.sure
        print(f"{name}: {check.patients} development patients; of patients like them the limit withholds {low:.1%} to "
              f"{high:.1%} (aim {check.rate:.1%})")  # fmt: skip
    table = trial_patients(workspace, trial, checks, images)
    print_centers(table, checks)
    if options.draws:
        external = table[table["role"] == "external"].copy()
        external["error"] = errors(folder, trial, options.recipe, options.draws)
        print_errors(external)
        write_csv(options.work / f"{folder.name}.csv", external)
    print_foreign(
        trial, checks, foreign(workspace, trial, options.foreign, images, options.work / f"{folder.name}.pickle")
    )


if __name__ == "__main__":
    main()
