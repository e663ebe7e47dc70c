"""The effect of one patient's tiles on the answer: computed, and read from ``explain/slide_attribution.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from espark.bundle.bundle import Bundle
from espark.explain.deletion import TileCurves, rank_agreement, tile_curves
from espark.explain.slide_attribution import mean_attribution, slide_attribution
from espark.explain.tile_answer import TileAnswer, tile_answer
from espark.files import digest
from espark.pathology.features import SlideFeatures
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.member import looking_at_tiles
from espark.types import DoubleArray, FloatArray, IntArray, Unseen
from espark.workspace.layout import StudyLayout
from espark.workspace.stored import stored_table

TILE_COLUMNS = ("patient_id", "slide", "x", "y", "attention", "attribution", "cluster")
NO_CLUSTER = -1


@dataclass(frozen=True)
class SlideEvidence:
    """The effect of the tiles of one patient on the answer, over all slides.

    Attributes:
        attention: (tiles,) mean over the models that answered; zero for a tile that entered none of them.
        attribution: (tiles,) in log-odds, mean over the models; all NaN for models stored without a mean tile.
        totals: for each model, the log-odds that all tiles add together; empty when attributions are not known.
        completeness: largest relative error of completeness among the models.
        attention_agreement: mean rank correlation of the attention between every two models; NaN for one model.
        attribution_agreement: mean rank correlation of the attributions between every two models.
        clusters: (tiles,) number of the cluster of each tile, from 0; empty when there are no clusters.
        curves: deletion and insertion curves; None when they were not requested.
    """

    attention: FloatArray
    attribution: DoubleArray
    totals: tuple[float, ...] = ()
    completeness: float = 0.0
    attention_agreement: float = float("nan")
    attribution_agreement: float = float("nan")
    clusters: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    curves: TileCurves | None = None

    @property
    def attributed(self) -> bool:
        """Whether the attributions are known."""
        return bool(np.isfinite(self.attribution).all())

    def fingerprint(self) -> str:
        """Hash of all parts that a page shows."""
        arrays = (self.attention, self.attribution, self.clusters)
        numbers = [repr(self.totals), repr(self.attention_agreement), repr(self.completeness)]
        return digest([*(np.ascontiguousarray(part).tobytes().hex() for part in arrays), *numbers])

    def split(self, slides: Sequence[SlideFeatures]) -> list[SlideEvidence]:
        """The evidence slide by slide, with only the values per tile."""
        edges = np.cumsum([len(part) for part in slides])[:-1]
        clusters = np.split(self.clusters, edges) if len(self.clusters) else [self.clusters] * len(slides)
        parts = zip(np.split(self.attention, edges), np.split(self.attribution, edges), clusters, strict=True)
        return [SlideEvidence(attention, values, clusters=own) for attention, values, own in parts]


def slide_evidence(bundle: Bundle, inputs: Inputs, *, fold: Unseen | None, direction: int = 0) -> SlideEvidence | None:
    """Attention and attributions of one patient's tiles.

    Args:
        bundle: the trained model.
        inputs: the one patient.
        fold: the members that did not see a development patient; None for the mean of all members.
        direction: 1 when the answer is the outcome, −1 when it is its absence: the curves follow the tiles that favor
            the answer most. 0 for no curves.

    Returns:
        None when the model does not look at slides, or the patient has no tile.
    """
    bag = inputs.bags[0]
    if "slides" not in MODELS[bundle.card.model].modalities or bag is None or len(bag) == 0:
        return None
    members = looking_at_tiles(bundle.asked(fold))
    answers = [tile_answer(member, inputs) for member in members]
    weights = [member.attention(bag) for member in members]
    attention = np.mean(weights, axis=0).astype(np.float32)
    agreement = rank_agreement(weights)
    if any(answer.baseline is None for answer in answers):
        return SlideEvidence(attention, np.full(len(bag), np.nan), attention_agreement=agreement)
    parts = [slide_attribution(answer) for answer in answers]
    joint = mean_attribution(parts)
    return SlideEvidence(
        attention,
        joint.values,
        totals=tuple(part.explained for part in parts),
        completeness=abs(joint.completeness),
        attention_agreement=agreement,
        attribution_agreement=rank_agreement([part.values for part in parts]),
        curves=_curves(answers, attention, joint.values, direction),
    )


def _curves(
    answers: Sequence[TileAnswer], attention: FloatArray, attribution: DoubleArray, direction: int
) -> TileCurves | None:
    if direction == 0:
        return None
    return tile_curves(answers, {"attribution": direction * attribution, "attention": attention})


def tile_table(patient_id: str, slides: Sequence[SlideFeatures], evidence: SlideEvidence) -> pd.DataFrame:
    """One row per tile, in the columns ``TILE_COLUMNS``.

    Attribution is in log-odds. Clusters count from 1; the column is 0 when there are no clusters.
    """
    coords = np.concatenate([part.coords for part in slides])
    # Features made elsewhere are called by their file, whose name may be that of a person.
    names = [part.source if part.encoder_entry else f"slide-{number}" for number, part in enumerate(slides, start=1)]
    clusters = evidence.clusters if len(evidence.clusters) else np.full(len(coords), NO_CLUSTER)
    return pd.DataFrame(
        {
            "patient_id": patient_id,
            "slide": np.repeat(names, [len(part) for part in slides]),
            "x": coords[:, 0],
            "y": coords[:, 1],
            "attention": evidence.attention,
            "attribution": evidence.attribution,
            "cluster": (clusters + 1).astype(np.int32),
        }
    )


def read_evidence(layout: StudyLayout, slides: dict[str, list[SlideFeatures]]) -> dict[str, SlideEvidence]:
    """The evidence that `explain` stored, by patient; a patient is left out when the tiles have changed since then.

    Args:
        layout: the study folder.
        slides: by patient, the tile features in the order of the slides.
    """
    tiles, patients = layout.explanation("slide_attribution.parquet"), layout.explanation("slide_patients.csv")
    if not tiles.exists() or not patients.exists():
        return {}
    rows = stored_table(layout, patients, dtype={"patient_id": str, "totals": str}).set_index("patient_id")
    found = {}
    for patient_id, part in stored_table(layout, tiles).groupby("patient_id", sort=False):
        own = slides.get(str(patient_id), [])
        coords = np.concatenate([features.coords for features in own]) if own else np.zeros((0, 2))
        if len(coords) == len(part) and (coords == part[["x", "y"]].to_numpy()).all() and patient_id in rows.index:
            found[str(patient_id)] = _stored(part, rows.loc[str(patient_id)])
    return found


def _stored(part: pd.DataFrame, row: pd.Series) -> SlideEvidence:
    clusters = part["cluster"].to_numpy(np.int64) - 1
    totals = str(row["totals"]) if isinstance(row["totals"], str) else ""
    return SlideEvidence(
        part["attention"].to_numpy(np.float32),
        part["attribution"].to_numpy(np.float64),
        totals=tuple(float(value) for value in totals.split(";") if value),
        completeness=float(row["completeness"]),
        attention_agreement=float(row["attention_agreement"]),
        attribution_agreement=float(row["attribution_agreement"]),
        clusters=clusters if (clusters >= 0).any() else np.zeros(0, np.int64),
    )
