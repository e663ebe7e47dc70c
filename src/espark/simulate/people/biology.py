"""The causal graph of the virtual trial: latent biology of a tumor → images, and → response.

Every number of the graph is in this file. Latents are standard normal; a node's value is the weighted sum of
its parents plus independent noise that brings its variance to one. The logit of response is linear in them:
``logit P(response) = intercept + effect × Σ coefficient × latent``. Slides show the slide latents, CTs the CT latents.

Response depends on the *ratio* of neutrophils to lymphocytes and not on how many immune cells there are, so that the
color of a slide alone (more nuclei, more blue) predicts little; for the same reason well-differentiated tumors, which
are pink with keratin, tend to have less of the pink stroma.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from espark.types import DoubleArray

BASE_RATE = 0.30
"""Expected share of patients who respond, for any scale of the effects."""


@dataclass(frozen=True)
class Latent:
    """A node of the causal graph.

    Attributes:
        name: key in files.
        modality: which image shows it; ``hidden`` nodes are common causes that no image shows.
        parents: standardized weight of each direct cause.
        coefficient: direct effect on the logit of a response, per standard deviation.
    """

    name: str
    modality: str
    parents: Mapping[str, float]
    coefficient: float = 0.0


GRAPH: tuple[Latent, ...] = (
    Latent("aggressiveness", "hidden", {}),
    Latent("differentiation", "slide", {"aggressiveness": -0.20}, coefficient=1.13),
    Latent("nlr", "slide", {"aggressiveness": 0.15}, coefficient=-1.05),
    Latent("infiltration", "slide", {"aggressiveness": -0.15}),
    Latent("stroma", "slide", {"differentiation": -0.35}, coefficient=-0.15),
    Latent("vessels", "slide", {"stroma": -0.20, "infiltration": 0.20}, coefficient=0.10),
    Latent("necrosis", "slide", {"aggressiveness": 0.25, "nlr": 0.20}, coefficient=-0.10),
    Latent("tumor_length", "ct", {"aggressiveness": 0.20}, coefficient=-0.58),
    Latent("wall_thickness", "ct", {"tumor_length": 0.35, "aggressiveness": 0.10}, coefficient=-0.58),
    Latent("heterogeneity", "ct", {"necrosis": 0.30}, coefficient=-0.87),
    Latent("nodes", "ct", {"wall_thickness": 0.25, "tumor_length": 0.15, "aggressiveness": 0.10}, coefficient=-0.15),
)
"""Parents stand before their children."""

NAMES: tuple[str, ...] = tuple(node.name for node in GRAPH)
COEFFICIENTS: DoubleArray = np.array([node.coefficient for node in GRAPH])
SLIDE_INDICES: tuple[int, ...] = tuple(i for i, node in enumerate(GRAPH) if node.modality == "slide")
CT_INDICES: tuple[int, ...] = tuple(i for i, node in enumerate(GRAPH) if node.modality == "ct")


@dataclass(frozen=True)
class Quantity:
    """How a latent z is shown, in physical units.

    Attributes:
        shown_as: what it is, with its unit.
        shape: ``exponential``: middle · exp(slope · z); ``logistic``: ceiling · σ(middle + slope · z).
        middle: see above.
        slope: see above.
        ceiling: see above.
    """

    shown_as: str
    shape: Literal["exponential", "logistic"]
    middle: float
    slope: float
    ceiling: float = 1.0

    def value(self, z: float) -> float:
        """The quantity of a latent."""
        if self.shape == "exponential":
            return float(self.middle * np.exp(self.slope * z))
        return float(self.ceiling * expit(self.middle + self.slope * z))

    def __str__(self) -> str:
        if self.shape == "exponential":
            return f"{self.shown_as} = {self.middle:g} exp({self.slope:g} z)"
        return f"{self.shown_as} = {self.ceiling:g} σ({self.middle:g} + {self.slope:g} z)"


QUANTITIES: dict[str, Quantity] = {
    "differentiation": Quantity("well-differentiated share of tumor cells", "logistic", 0.0, 1.30),
    "nlr": Quantity("neutrophils per lymphocyte", "exponential", 0.28, 0.80),
    "infiltration": Quantity("lymphocytes and neutrophils per mm²", "exponential", 750.0, 0.40),
    "stroma": Quantity("area share of stroma", "logistic", -0.25, 0.50),
    "vessels": Quantity("vessels per mm²", "exponential", 28.0, 0.40),
    "necrosis": Quantity("area share of necrosis", "logistic", -1.8, 1.0, ceiling=0.40),
    "tumor_length": Quantity("length, mm", "exponential", 46.0, 0.33),
    "wall_thickness": Quantity("greatest thickness of the wall, mm", "exponential", 12.5, 0.28),
    "heterogeneity": Quantity("standard deviation of the tumor's texture, HU", "exponential", 20.0, 0.45),
    "nodes": Quantity("enlarged nodes (less ½, rounded down)", "exponential", 1.6, 0.75),
}

MOST_NODES = 7

_LIMIT = 3.0
"""Latents are cut off here (1 in 370) so that no image has to show the impossible."""


@dataclass(frozen=True)
class TumorBiology:
    """One tumor in physical units.

    Attributes:
        well_fraction: well-differentiated share of tumor cells, 0–1.
        lymphocytes_per_mm2: mean density in tumor and its stroma.
        neutrophils_per_mm2: mean density in tumor and its stroma.
        stroma_fraction: area share of stroma among tumor and stroma, 0–1.
        vessels_per_mm2: vessel profiles.
        necrosis_fraction: area share of necrosis in the tumor, 0–1.
        tumor_length_mm: along the esophagus.
        wall_thickness_mm: greatest thickness of the wall within the tumor.
        heterogeneity_hu: standard deviation of the tumor's own texture.
        nodes: number of enlarged lymph nodes.
    """

    well_fraction: float
    lymphocytes_per_mm2: float
    neutrophils_per_mm2: float
    stroma_fraction: float
    vessels_per_mm2: float
    necrosis_fraction: float
    tumor_length_mm: float
    wall_thickness_mm: float
    heterogeneity_hu: float
    nodes: int

    @property
    def nlr(self) -> float:
        """Neutrophils per lymphocyte in the tumor tissue."""
        return self.neutrophils_per_mm2 / self.lymphocytes_per_mm2


@lru_cache
def loadings() -> DoubleArray:
    """Square matrix ``B`` with ``latents = B @ noise`` for independent standard normal noise, before the cut-off."""
    size = len(GRAPH)
    matrix = np.zeros((size, size))
    for row, node in enumerate(GRAPH):
        for parent, weight in node.parents.items():
            matrix[row] += weight * matrix[NAMES.index(parent)]
        explained = float(matrix[row] @ matrix[row])
        if explained >= 1:
            raise ValueError(f"the causes of {node.name} explain more than its variance")
        matrix[row, row] = np.sqrt(1.0 - explained)
    matrix.flags.writeable = False
    return matrix


def draw_latents(rng: np.random.Generator) -> DoubleArray:
    """Latents of one patient, in the order of ``GRAPH``, each within ±3."""
    return np.clip(loadings() @ rng.standard_normal(len(GRAPH)), -_LIMIT, _LIMIT)


@lru_cache
def linear_sd(effect: float) -> float:
    """Standard deviation of the logit over patients."""
    return float(effect * np.linalg.norm(COEFFICIENTS @ loadings()))


def mean_probability(mean: DoubleArray, sd: float) -> DoubleArray:
    """Mean of the logistic function over a normal logit: shape of ``mean`` in, same shape out."""
    nodes, weights = _quadrature()
    values = expit(np.asarray(mean, dtype=np.float64)[..., None] + sd * nodes)
    return np.asarray(values @ weights, dtype=np.float64)


@lru_cache
def _quadrature() -> tuple[DoubleArray, DoubleArray]:
    """Points and weights of the mean over a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    return nodes, weights / weights.sum()


@lru_cache
def intercept(effect: float) -> float:
    """Intercept at which the expected rate of responses is ``BASE_RATE``."""
    sd = linear_sd(effect)

    def surplus(candidate: float) -> float:
        return float(mean_probability(np.array(candidate), sd)) - BASE_RATE

    return float(brentq(surplus, -20.0, 20.0))


def to_units(latents: DoubleArray) -> TumorBiology:
    """Physical quantities of latents (in the order of ``GRAPH``). Each is a monotone function of its latent."""
    shown = {
        name: QUANTITIES[name].value(z) for name, z in zip(NAMES, latents.tolist(), strict=True) if name in QUANTITIES
    }
    lymphocytes = shown["infiltration"] / (1.0 + shown["nlr"])
    return TumorBiology(
        well_fraction=shown["differentiation"],
        lymphocytes_per_mm2=lymphocytes,
        neutrophils_per_mm2=lymphocytes * shown["nlr"],
        stroma_fraction=shown["stroma"],
        vessels_per_mm2=shown["vessels"],
        necrosis_fraction=shown["necrosis"],
        tumor_length_mm=shown["tumor_length"],
        wall_thickness_mm=shown["wall_thickness"],
        heterogeneity_hu=shown["heterogeneity"],
        nodes=int(np.clip(np.floor(shown["nodes"] - 0.5), 0, MOST_NODES)),
    )
