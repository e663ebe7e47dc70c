"""A piece of tissue before it is painted: smooth fields of tissue classes, structures and cells, all in micrometres."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from espark.simulate.histology.fields import GRID_UM, Evaluator, at_points, smooth_noise
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray

ABSENT = -1e3
"""Value of a class field where the class is nowhere near."""

CLASS_FIELDS = ("tissue", "nest", "poor", "necrosis", "squamous", "muscle", "fat", "blood", "crushed")
"""Fields that hold the signed distance to the border of a class in micrometres (about), positive inside."""


_FAR = 8192.0  # keeps the coordinates of fibres positive on every slide


@dataclass(frozen=True)
class Look:
    """What varies from block to block of tissue without any meaning for the patient.

    Attributes:
        angle: main direction of the fibres, in radians.
        collagen: eosin of a dense fibre.
        loose: share of clefts between the fibres, about -1 (dense) to 1 (edematous).
        chunky: how far the fibres are gathered into thick bundles with gaps between, 0..1.
        open: how far a dense infiltrate takes the place of fibres, 0..1.
        elongation: how much longer than wide tumor cells are.
        streaming: how well tumor nuclei follow one direction, 0..1.
        reticular: how far loose stroma is a net of thin strands, 0..1.
        haze: hematoxylin of the ground substance.
        nuclear_size: factor on every nucleus.
        nuclear_gain: factor on every nucleus' hematoxylin.
        well_spacing: distance of well-differentiated tumor cells, in micrometres.
        poor_spacing: distance of poorly differentiated tumor cells, in micrometres.
        well_eosin: eosin of the cytoplasm of well-differentiated tumor cells.
        poor_scale: factor on the size of poorly differentiated nuclei.
        poor_eosin: eosin of the cytoplasm of poorly differentiated tumor cells.
        poor_haze: hematoxylin of the cytoplasm of poorly differentiated tumor cells.
        gap: how light the borders between cells are.
        lattice: how dark the borders between cells are.
        clear: how pale the middle of the cells is.
        cleft: how often a nest is separated from its stroma.
        stroma_spacing: distance of stromal nuclei, in micrometres.
        plump: share of plump pale fibroblasts.
        vesicular: share of pale nuclei with a dark rim among poorly differentiated tumor cells.
        dark: share of hyperchromatic nuclei among poorly differentiated tumor cells.
        halo: share of well-differentiated tumor cells with a clear ring around the nucleus.
    """

    angle: float
    collagen: float
    loose: float
    chunky: float
    open: float
    elongation: float
    streaming: float
    reticular: float
    haze: float
    nuclear_size: float
    nuclear_gain: float
    well_spacing: float
    poor_spacing: float
    poor_scale: float
    well_eosin: float
    poor_eosin: float
    poor_haze: float
    gap: float
    lattice: float
    clear: float
    cleft: float
    stroma_spacing: float
    plump: float
    vesicular: float
    dark: float
    halo: float


def random_look(rng: np.random.Generator) -> Look:
    """A look from the whole range of ordinary tissue."""
    gap, lattice = rng.dirichlet([1.0, 1.0])
    poor_scale = float(rng.uniform(0.78, 1.08))
    return Look(
        angle=float(rng.uniform(0, np.pi)),
        collagen=float(rng.uniform(0.20, 0.40)),
        loose=float(rng.uniform(-1.0, 0.9)),
        chunky=float(rng.beta(0.6, 0.9)),
        open=float(rng.uniform(0.3, 1.0)),
        elongation=float(1.0 + 0.8 * rng.beta(1.0, 1.5)),
        streaming=float(rng.beta(1.0, 1.5)),
        reticular=float(rng.beta(0.8, 0.8)),
        haze=float(rng.uniform(0.01, 0.06)),
        nuclear_size=float(np.exp(rng.normal(-0.04, 0.09))),
        nuclear_gain=float(np.exp(rng.normal(0, 0.12))),
        well_spacing=float(rng.uniform(10.4, 14.4)),
        poor_spacing=float(rng.uniform(8.6, 11.0)) * poor_scale,
        poor_scale=poor_scale,
        well_eosin=float(rng.uniform(0.20, 0.34)),
        poor_eosin=float(rng.uniform(0.05, 0.23)),
        poor_haze=float(rng.uniform(0.05, 0.15)),
        gap=float(0.9 * gap),
        lattice=float(0.8 * lattice),
        clear=float(rng.beta(0.9, 1.6)),
        cleft=float(rng.uniform(0.0, 1.0)),
        stroma_spacing=float(rng.uniform(10.5, 21.0)),
        plump=float(rng.uniform(0.1, 0.7)),
        vesicular=float(rng.beta(0.5, 0.9)),
        dark=float(rng.uniform(0.15, 0.65)),
        halo=float(rng.uniform(0.1, 0.7)),
    )


@dataclass(frozen=True)
class Ring:
    """A roundish structure: vessel, gland or keratin pearl.

    Attributes:
        kind: ``vessel``, ``gland``, ``pearl`` or ``fat``.
        y: centre, in micrometres.
        x: centre, in micrometres.
        a: half length of the lumen (of the whole, for a pearl), in micrometres.
        b: half width, in micrometres.
        angle: direction of the length, in radians.
        wall: thickness of the wall, in micrometres.
        filled: share of the lumen that holds red cells (vessel) or mucin (gland).
        bumps: (3, 2) amplitude and phase of the outline's waves of order 2 to 4.
    """

    kind: str
    y: float
    x: float
    a: float
    b: float
    angle: float
    wall: float
    filled: float
    bumps: tuple[tuple[float, float], ...]

    @property
    def reach(self) -> float:
        """Radius of a disc that surely holds the structure, in micrometres."""
        return 1.35 * max(self.a, self.b) + self.wall + 2.0

    def distance(self, y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Signed distance from the lumen's border (about, in micrometres, positive outside) and the angle around."""
        dy, dx = y - np.float32(self.y), x - np.float32(self.x)
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        u, v = (cos * dx + sin * dy) / np.float32(self.a), (cos * dy - sin * dx) / np.float32(self.b)
        theta = np.arctan2(v, u)
        rho = np.hypot(u, v) * (1 + self.wave(theta))
        # Divided by the gradient's length, so that walls are as thick along the short axis as along the long one.
        slope = np.sqrt((u / np.float32(self.a)) ** 2 + (v / np.float32(self.b)) ** 2) / np.maximum(
            np.hypot(u, v), 1e-3
        )
        return np.asarray((rho - 1) / np.maximum(slope, 1e-4), np.float32), np.asarray(theta, np.float32)

    def wave(self, theta: FloatArray) -> FloatArray:
        """Relative waves of the outline at an angle."""
        total = np.zeros_like(theta)
        for order, (size, phase) in enumerate(self.bumps, start=2):
            total += np.float32(size) * np.cos(order * theta + np.float32(phase))
        return total

    def outline(
        self, theta: DoubleArray, outwards: DoubleArray | float = 0.0
    ) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """Points ``outwards`` micrometres off the lumen's border, and the direction of the border there."""
        stretch = 1.0 / (1.0 + self.wave(theta.astype(np.float32)).astype(np.float64))
        u = (self.a * stretch + outwards) * np.cos(theta)
        v = (self.b * stretch + outwards) * np.sin(theta)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        tangent = np.arctan2(self.b * np.cos(theta), -self.a * np.sin(theta)) + self.angle
        return self.y + sin * u + cos * v, self.x + cos * u - sin * v, tangent


@dataclass(frozen=True)
class Cells:
    """Cells and other stamps, in painting order.

    Attributes:
        y: centre, in micrometres.
        x: centre, in micrometres.
        kind: index into ``nuclei.KINDS``.
        variant: which stamp of the kind.
        gain: factor on the hematoxylin.
    """

    y: DoubleArray
    x: DoubleArray
    kind: IntArray
    variant: IntArray
    gain: FloatArray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, which: BoolArray | IntArray) -> Cells:
        """The cells of an index or a mask."""
        return Cells(self.y[which], self.x[which], self.kind[which], self.variant[which], self.gain[which])


def join(parts: list[Cells]) -> Cells:
    """All cells of several lists, in their order."""
    return Cells(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "x", "kind", "variant", "gain"))
    )


@dataclass(frozen=True)
class Seeds:
    """Centres of cell bodies; a pixel belongs to the nearest.

    Attributes:
        y: in micrometres.
        x: in micrometres.
        tint: unit noise of the cytoplasm's color.
    """

    y: DoubleArray
    x: DoubleArray
    tint: FloatArray


@dataclass
class Scene:
    """A piece of tissue.

    Attributes:
        height_um: height.
        width_um: width.
        look: its nuisance.
        fields: class fields (see ``CLASS_FIELDS``; a missing class is nowhere) and ``depth``, ``thickness`` (of
            squamous epithelium, µm), ``wave`` (displacement across the fibres, µm), ``loose``, ``pale`` (unit noise),
            ``infiltrate`` (leukocytes, 1 = packed).
        rings: vessels, glands and pearls.
        cells: what is stamped.
        seeds: cell bodies.
        shift: offset into the textures, in micrometres.
    """

    height_um: float
    width_um: float
    look: Look
    fields: dict[str, FloatArray]
    rings: list[Ring] = field(default_factory=list)
    cells: Cells | None = None
    seeds: Seeds | None = None
    shift: tuple[float, float] = (0.0, 0.0)

    def has(self, name: str) -> bool:
        """Whether a class occurs."""
        return name in self.fields and bool(self.fields[name].max() > 0)


def grid_shape(height_um: float, width_um: float) -> tuple[int, int]:
    """Shape of the coarse grid that covers an extent."""
    return int(np.ceil(height_um / GRID_UM)) + 2, int(np.ceil(width_um / GRID_UM)) + 2


def texture_fields(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, FloatArray]:
    """The fields that bend fibres and vary the ground."""
    wave = 60.0 * smooth_noise(rng, shape, 420.0) + 13.0 * smooth_noise(rng, shape, 150.0)
    wave += 0.8 * smooth_noise(rng, shape, 22.0)
    return {
        "wave": np.asarray(wave + 2.2 * smooth_noise(rng, shape, 42.0), np.float32),
        "loose": np.asarray(0.7 * smooth_noise(rng, shape, 160.0) + 0.4 * smooth_noise(rng, shape, 60.0), np.float32),
        "pale": smooth_noise(rng, shape, 110.0),
    }


def random_ring(
    rng: np.random.Generator, kind: str, y: float, x: float, size: float, *, wall: float, filled: float = 0.0
) -> Ring:
    """A ring of about ``size`` µm half length, of random aspect, direction and bumps."""
    aspect = rng.uniform(0.35, 0.95)
    bumps = tuple((float(rng.normal(0, 0.05)), float(rng.uniform(0, 2 * np.pi))) for _ in range(3))
    return Ring(kind, y, x, size, size * aspect, float(rng.uniform(0, np.pi)), wall, filled, bumps)


def fibre_axes(
    scene: Scene, y: DoubleArray, x: DoubleArray, evaluate: Evaluator | None = None
) -> tuple[FloatArray, FloatArray]:
    """Coordinates across and along the fibres on a grid, in micrometres, never negative.

    Args:
        scene: whose fibres.
        y: rows of the grid, in micrometres.
        x: columns of the grid, in micrometres.
        evaluate: evaluates fields on that grid, when there is one.
    """
    evaluate = evaluate or Evaluator(scene.fields["wave"].shape, y, x)
    cos, sin = np.cos(scene.look.angle), np.sin(scene.look.angle)
    across = evaluate(scene.fields["wave"])
    across += (_FAR + (y + scene.shift[0]) * cos)[:, None].astype(np.float32)
    across -= ((x + scene.shift[1]) * sin)[None, :].astype(np.float32)
    along = (_FAR + y * sin)[:, None].astype(np.float32) + (x * cos)[None, :].astype(np.float32)
    return across, np.asarray(along, np.float32)


def fibre_axes_at(scene: Scene, y: DoubleArray, x: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """The same at scattered points."""
    cos, sin = np.cos(scene.look.angle), np.sin(scene.look.angle)
    wave = at_points(scene.fields["wave"], y, x).astype(np.float64)
    across = wave + _FAR + (y + scene.shift[0]) * cos - (x + scene.shift[1]) * sin
    return np.asarray(across, np.float64), np.asarray(_FAR + y * sin + x * cos, np.float64)
