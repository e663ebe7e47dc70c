"""What lies under the diaphragm: liver, stomach, spleen, kidneys, bowel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.simulate.chest.body import Body, spine_x, spine_y
from espark.simulate.chest.canvas import Canvas, Ellipsoid, Tube, smooth_min
from espark.simulate.people.centers import ContrastPhase
from espark.types import FloatArray

_STOMACH_WALL_MM = 4.0
_PERITONEUM_MM = 2.4


@dataclass(frozen=True)
class Abdomen:
    """Organs of the upper abdomen.

    Attributes:
        liver: overlapping parts.
        hepatic_vessels: veins within the liver.
        spleen: spleen.
        kidneys: right and left.
        stomach: overlapping parts.
        gas_level: y above (in front of) which the stomach holds gas.
        content_hu: what the stomach holds otherwise.
        bowel: gas-filled pieces of colon.
        liver_fat: HU taken from the liver by fat.
    """

    liver: tuple[Ellipsoid, ...]
    hepatic_vessels: tuple[Tube, ...]
    spleen: Ellipsoid
    kidneys: tuple[Ellipsoid, ...]
    stomach: tuple[Ellipsoid, ...]
    gas_level: float
    content_hu: float
    bowel: tuple[Tube, ...]
    liver_fat: float


def draw_abdomen(rng: np.random.Generator) -> Abdomen:
    """Abdominal organs of a patient."""

    def near(center: tuple[float, float, float], sd: float = 3.0) -> tuple[float, ...]:
        return tuple(np.asarray(center) + rng.normal(0.0, sd, 3))

    left_lobe = float(rng.normal(0.0, 8.0))
    splenic = float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3))
    fill = float(np.clip(rng.normal(1.0, 0.12), 0.75, 1.3))
    return Abdomen(
        liver=(
            Ellipsoid.of(near((-74, 2, -152)), (66.0, 84.0, 78.0)),
            Ellipsoid.of(near((-28, -42, -148)), (58.0, 44.0, 52.0)),
            Ellipsoid.of((24 + left_lobe, -62, -140), (52.0, 27.0, 34.0), (14.0, 0.0, 0.0)),
        ),
        hepatic_vessels=(
            Tube.through([(-23, -4, -122), (-62, 12, -132), (-98, 22, -148)], [4.5, 3.5, 2.0]),
            Tube.through([(-23, -4, -122), (-50, -28, -136), (-72, -50, -156)], [4.5, 3.5, 2.0]),
            Tube.through([(-23, -4, -122), (-12, -34, -132), (0, -60, -146)], [4.0, 3.0, 1.8]),
            Tube.through([(-30, -14, -186), (-56, -10, -172), (-84, 0, -166), (-108, 14, -176)], [6.5, 5.5, 4.0, 2.2]),
            Tube.through([(-56, -10, -172), (-74, -34, -178), (-86, -54, -190)], [4.0, 3.0, 2.0]),
            Tube.through([(-40, -12, -178), (-16, -40, -166), (14, -62, -150)], [4.5, 3.0, 1.8]),
        ),
        spleen=Ellipsoid.of(near((98, 38, -152)), np.array([24.0, 46.0, 44.0]) * splenic, (-28.0, 0.0, 0.0)),
        kidneys=(
            Ellipsoid.of(near((-56, 46, -216)), (25.0, 24.0, 50.0)),
            Ellipsoid.of(near((54, 48, -206)), (25.0, 24.0, 50.0)),
        ),
        stomach=(
            Ellipsoid.of(near((64, 6, -146), 2.0), np.array([42.0, 46.0, 36.0]) * fill),
            Ellipsoid.of(near((60, -34, -180), 2.0), np.array([36.0, 38.0, 40.0]) * fill),
        ),
        gas_level=float(rng.normal(-26.0, 12.0)),
        content_hu=float(rng.uniform(5.0, 40.0)),
        bowel=(
            Tube.through([near((92, -50, -180)), near((104, -20, -172)), near((98, -46, -200))], [14.0, 16.0, 15.0]),
            Tube.through([near((50, -78, -196)), near((10, -80, -204)), near((-30, -76, -212))], [15.0, 16.0, 15.0]),
        ),
        liver_fat=float(max(0.0, rng.normal(0.0, 8.0))),
    )


def paint_abdomen(canvas: Canvas, organs: Abdomen, body: Body, cavity: FloatArray, phase: ContrastPhase) -> None:
    """Paint the abdominal organs under the diaphragm; the cavity, of which the signed distance is given, holds fat."""
    if float(canvas.z.min()) > -70.0:
        return
    whole = canvas.whole()
    whole.paint(cavity - 0.5, phase.muscle)
    whole.paint(cavity + np.float32(2.0), -100.0)
    _paint_crura(canvas, body, phase)
    inside = cavity + np.float32(_PERITONEUM_MM)
    for tube in organs.bowel:
        tube.paint(canvas, 35.0)
        tube.paint(canvas, -850.0, grow_mm=-2.5)
    _paint_liver(canvas, organs, inside, phase)
    for kidney in organs.kidneys:
        patch = kidney.patch(canvas)
        if patch is not None:
            distance = kidney.distance(patch)
            patch.paint(distance, phase.kidney)
            patch.paint(distance + np.float32(8.0), 0.5 * phase.kidney + 25.0)
            patch.paint(distance + np.float32(16.0), -70.0)
    _paint_stomach(canvas, organs, inside, phase)
    patch = organs.spleen.patch(canvas)
    if patch is not None:
        patch.paint(np.maximum(organs.spleen.distance(patch), inside[patch.box]), phase.spleen)


def _paint_crura(canvas: Canvas, body: Body, phase: ContrastPhase) -> None:
    for side, low in ((-1.0, -215.0), (1.0, -205.0)):
        knots = []
        for z in (-124.0, -145.0, -170.0, low):
            at = np.array([z], np.float32)
            depth = float(spine_y(body, at)[0])
            knots.append((float(spine_x(body, at)[0]) + side * (17.0 if z < -130 else 15.0), depth - 17.0, z))
        Tube.through(knots, [4.0, 5.5, 5.5, 4.0]).paint(canvas, phase.muscle)


def _paint_liver(canvas: Canvas, organs: Abdomen, inside: FloatArray, phase: ContrastPhase) -> None:
    patch = canvas.patch((-160.0, -130.0, -260.0), (90.0, 110.0, -60.0))
    if patch is None:
        return
    distance = np.full(patch.x.shape, 1e3, np.float32)
    for part in organs.liver:
        distance = smooth_min(distance, part.distance(patch), 14.0)
    liver = np.maximum(distance, inside[patch.box])
    patch.paint(liver, phase.liver - organs.liver_fat)
    for tube in organs.hepatic_vessels:
        for found, reach in tube.patches(canvas):
            found.paint(reach, phase.hepatic_vessels - organs.liver_fat)


def _paint_stomach(canvas: Canvas, organs: Abdomen, inside: FloatArray, phase: ContrastPhase) -> None:
    patch = canvas.patch((0.0, -120.0, -260.0), (130.0, 80.0, -90.0))
    if patch is None:
        return
    distance = np.full(patch.x.shape, 1e3, np.float32)
    for part in organs.stomach:
        distance = smooth_min(distance, part.distance(patch), 12.0)
    stomach = np.maximum(distance, inside[patch.box])
    patch.paint(stomach, phase.esophagus)
    lumen = stomach + np.float32(_STOMACH_WALL_MM)
    patch.paint(lumen, organs.content_hu)
    patch.paint(np.maximum(lumen, patch.y - np.float32(organs.gas_level)), -950.0)
