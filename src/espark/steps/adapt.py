"""`espark adapt`: a trained model for another scanner, with a few unlabelled patients of the site."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espark.bundle.bundle import Bundle
from espark.bundle.card import AdaptationCard
from espark.bundle.folder import load_bundle, member_path, save_bundle
from espark.errors import BundleError, InputError, MissingStepError
from espark.files import digest
from espark.steps.prepare.prepare import radiomics_settings
from espark.training.likeness.applicability import WITHHELD_RATE, Applicability, View
from espark.training.likeness.harmonisation import FEWEST_SITE_PATIENTS, Harmonisation
from espark.training.likeness.views import STEADY, UNFILTERED
from espark.types import BoolArray, DoubleArray, FloatArray
from espark.workspace.manifest import now
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.stored import stored_table

_MODEL_CARD = "MODEL_CARD.md"


@dataclass(frozen=True)
class Adapted:
    """What `adapt` did.

    Attributes:
        center: name of the site.
        n: number of its patients who were used.
        new_before: whether the site looked new to the model.
        noted_before: share of its patients whose CT looked as if from an unknown scanner.
        noted_after: the same with the adapted model. These patients were used for it, so for others it is higher.
    """

    center: str
    n: int
    new_before: bool
    noted_before: float
    noted_after: float


def adapt(model: Path, patients: Path, out: Path, *, center: str = "") -> Adapted:
    """Write a bundle whose CT features are brought from a site's scanner to those of the development patients.

    No label is read, no weight changes, and the shape features of the regions stay as they are.

    Args:
        model: folder of a trained model.
        patients: a prepared study of the site.
        out: folder of the adapted model; must not exist or be empty.
        center: the center of the study whose patients are used; empty for the only one.

    Raises:
        BundleError: when the model does not look at unfiltered CT features, or is adapted already.
        InputError: when there are too few patients, several centers, or ``out`` is not empty.
        FeatureError: when the study was prepared in another way than the model needs.
    """
    bundle = load_bundle(model)
    _check_bundle(bundle, model)
    if out.exists() and any(out.iterdir()):
        raise InputError("the folder is not empty", where=out, action="Give a new folder as --out.")
    workspace = open_workspace(patients, trains=False)
    center = center or _only_center(workspace)
    site = _site_features(workspace, bundle, center)
    check = bundle.applicability["ct"]
    mean, sd, moves = _development(bundle, check)
    harmonisation = Harmonisation.fit(site, mean, sd, moves)
    before, after = (_distances(bundle, check, rows) for rows in (site, harmonisation.apply(site)))
    card = bundle.card.model_copy(update={"adaptation": AdaptationCard(
        center=center, n=len(site), features_sha256=hashlib.sha256(np.ascontiguousarray(site).tobytes()).hexdigest(),
        date=now(), base=digest(bundle.card.model_dump(mode="json")),
    )})  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    for fold in range(bundle.card.folds):
        shutil.copy(member_path(model, fold), member_path(out, fold))
    text = (model / _MODEL_CARD).read_text(encoding="utf-8")
    note = f"\n## Adaptation\n\nAdapted to the CTs of {center} with {len(site)} of its patients, without labels.\n"
    save_bundle(out, card, bundle.applicability, text + note, bundle.probe, harmonisation)
    usual = check.whole.limit(WITHHELD_RATE)
    return Adapted(
        center, len(site), check.is_new_center(before), float(np.mean(before > usual)), float(np.mean(after > usual))
    )


def _check_bundle(bundle: Bundle, where: Path) -> None:
    if bundle.card.adaptation is not None:
        raise BundleError(
            f"the model was adapted to {bundle.card.adaptation.center} already",
            where=where,
            action="Adapt the model as it was trained.",
        )
    if bundle.card.radiomics is None or "ct" not in bundle.applicability:
        raise BundleError(
            f"{bundle.card.title} does not look at the CT, or has no development patients to compare with",
            where=where,
            expected="MScaleCT or eSPARK, trained on at least ten patients with CT",
        )
    if not any(name.startswith(UNFILTERED) for name in _names(bundle)):
        raise BundleError(
            f"no CT feature of the model has a name that begins with {UNFILTERED}",
            where=where,
            expected="features of espark or PyRadiomics: of others it is not known which of them a scanner moves",
        )


def _only_center(workspace: Workspace) -> str:
    centers = sorted({patient.center for patient in workspace.cohort.used})
    if len(centers) != 1:
        raise InputError(
            f"the study has the centers {', '.join(centers)}",
            where=workspace.layout.cohort,
            expected="patients of one site",
            action="Name the site with --center.",
        )
    return centers[0]


def _site_features(workspace: Workspace, bundle: Bundle, center: str) -> FloatArray:
    """(patients, features) prepared CT features of the site, in the order of the model."""
    card, settings = bundle.card.radiomics, radiomics_settings(workspace.config.ct)
    assert card is not None
    asked = (card.spacing_mm, card.bin_width_hu)
    if card.source == "espark" and (settings.spacing_mm, settings.bin_width_hu) != asked:
        raise InputError(
            "the study measures CT features in another way than the model",
            where=workspace.layout.config,
            expected=f"[ct] spacing_mm {card.spacing_mm}, bin_width_hu {card.bin_width_hu:g}",
            action="Set these values and run `espark prepare` again.",
        )
    path = workspace.layout.radiomics
    if not path.exists():
        raise MissingStepError("no CT is prepared", where=path, action=f"Run `espark prepare {workspace.root}` first.")
    ids = [patient.patient_id for patient in workspace.cohort.used if patient.center == center]
    pairs = zip(card.scales, card.feature_names, strict=True)
    columns = [f"{scale}__{name}" for scale, names in pairs for name in names]
    table = stored_table(workspace.layout, path).set_index("patient_id").reindex(index=ids, columns=columns)
    rows: FloatArray = table.to_numpy(np.float32)
    rows = rows[np.isfinite(rows).any(axis=1)]
    if len(rows) < FEWEST_SITE_PATIENTS:
        raise InputError(
            f"{len(rows)} patients of {center or 'the study'} have CT features",
            where=workspace.layout.cohort,
            expected=f"at least {FEWEST_SITE_PATIENTS}; 10 to 20 are better",
        )
    return rows


def _names(bundle: Bundle) -> list[str]:
    card = bundle.card.radiomics
    return [name for part in card.feature_names for name in part] if card else []


def _development(bundle: Bundle, check: Applicability) -> tuple[DoubleArray, DoubleArray, BoolArray]:
    """Mean and SD of the development patients, and which features a scanner moves: unfiltered, but not of the shape."""
    names = _names(bundle)
    unfiltered = np.array([name.startswith(UNFILTERED) for name in names])
    mean, sd = np.zeros(len(names)), np.full(len(names), np.inf)
    mean[unfiltered], sd[unfiltered] = check.whole.mean, check.whole.sd
    moves: BoolArray = unfiltered & ~np.array([name.startswith(STEADY) for name in names])
    return mean, sd, moves


def _distances(bundle: Bundle, check: Applicability, rows: FloatArray) -> DoubleArray:
    """(patients,) whole distances."""
    unfiltered = [place for place, name in enumerate(_names(bundle)) if name.startswith(UNFILTERED)]
    return np.array([check.compare(View(None, row[None, unfiltered])).shift for row in rows])
