"""A simulated CT of the chest, from the lower neck to the upper abdomen, with the exact regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.simulate.chest.abdomen import Abdomen, draw_abdomen, paint_abdomen
from espark.simulate.chest.body import BOTTOM_MM, TOP_MM, Body, cage_on, draw_body, make_canvas
from espark.simulate.chest.bones import paint_bones
from espark.simulate.chest.canvas import AIR_HU, Canvas
from espark.simulate.chest.chest_wall import FAT_HU, inlet_height, paint_wall
from espark.simulate.chest.dicom_writer import Geometry
from espark.simulate.chest.esophagus import (
    Esophagus,
    drape_esophagus,
    draw_esophagus,
    paint_esophagus,
    section_on,
)
from espark.simulate.chest.lungs import (
    Lungs,
    beside_mediastinum,
    diaphragm_height,
    draw_lungs,
    lung_distance,
    paint_lungs,
)
from espark.simulate.chest.mediastinum import (
    Mediastinum,
    drape_mediastinum,
    draw_mediastinum,
    paint_mediastinum,
    resist_mediastinum,
)
from espark.simulate.chest.scanner import acquire, paint_table
from espark.simulate.people.biology import TumorBiology
from espark.simulate.people.centers import PHASES, ContrastPhase, CtProtocol
from espark.simulate.people.clinical_columns import Person
from espark.types import AnyArray, ByteArray, FloatArray

_BLOCK_SLICES = 24
_FINEST_NEEDED_MM = 3.2
_FRONT_MM = -150.0
"""No part of a lean body lies in front of this."""


@dataclass(frozen=True)
class Scan:
    """A simulated CT.

    Attributes:
        volume: HU, int16, shape (z, y, x), z upwards.
        regions: 1 = esophagus, 2 = tumor; same shape.
        geometry: the grid.
        phase: contrast phase.
    """

    volume: AnyArray
    regions: ByteArray
    geometry: Geometry
    phase: str


@dataclass(frozen=True)
class Anatomy:
    """Everything that is drawn of a patient before it is painted."""

    body: Body
    lungs: Lungs
    mediastinum: Mediastinum
    abdomen: Abdomen
    esophagus: Esophagus


def draw_anatomy(tumor: TumorBiology, person: Person, rng: np.random.Generator) -> Anatomy:
    """The anatomy of a person with a tumor."""
    body = draw_body(person, rng)
    return Anatomy(
        body=body,
        lungs=draw_lungs(rng),
        mediastinum=draw_mediastinum(rng, person.age),
        abdomen=draw_abdomen(rng),
        esophagus=draw_esophagus(tumor, person, body.scale, rng),
    )


def simulate_ct(
    tumor: TumorBiology,
    person: Person,
    protocol: CtProtocol,
    anatomy_rng: np.random.Generator,
    scan_rng: np.random.Generator,
    *,
    matrix: int = 256,
) -> Scan:
    """Simulate the CT of one patient.

    Args:
        tumor: its biology.
        person: whom it grows in.
        protocol: how the center scans.
        anatomy_rng: random stream of the anatomy.
        scan_rng: random stream of the scan: phase, slice thickness, field of view, noise.
        matrix: rows and columns.
    """
    anatomy = draw_anatomy(tumor, person, anatomy_rng)
    phase_name = str(scan_rng.choice(list(protocol.phases), p=list(protocol.phases.values())))
    slice_mm = float(scan_rng.choice(protocol.slice_mm))
    geometry, x, y, z = _grid(anatomy.body, protocol, slice_mm, matrix, scan_rng)
    table_y = 132.0 * anatomy.body.scale[1] + anatomy.body.fat_mm + float(scan_rng.uniform(0.0, 6.0))
    shape = (len(z), len(y), len(x))
    volume, regions = np.empty(shape, np.int16), np.zeros(shape, np.uint8)
    for start in range(0, len(z), _BLOCK_SLICES):
        block = slice(start, start + _BLOCK_SLICES)
        hu = _paint(anatomy, PHASES[phase_name], (x, y, z[block]), slice_mm, table_y, regions[block])
        noisy = acquire(hu, geometry.spacing[0], slice_mm, protocol, scan_rng)
        volume[block] = np.clip(np.rint(noisy, out=noisy), -1024, 3071, out=noisy)
    return Scan(volume, regions, geometry, phase_name)


def _grid(
    body: Body, protocol: CtProtocol, slice_mm: float, matrix: int, rng: np.random.Generator
) -> tuple[Geometry, FloatArray, FloatArray, FloatArray]:
    """Voxel grid, and the positions of columns, rows and slices in mm."""
    pixel = round(float(rng.uniform(*protocol.fov_mm)) / matrix, 4)
    left, back = rng.normal(0.0, 6.0), rng.normal(4.0, 6.0)
    table = float(np.round(rng.normal(-150.0, 15.0), 1))
    low = body.scale[2] * (BOTTOM_MM + rng.normal(0.0, 6.0))
    high = body.scale[2] * (TOP_MM + rng.normal(0.0, 6.0))
    x = (np.arange(matrix) - (matrix - 1) / 2) * pixel + left
    y = (np.arange(matrix) - (matrix - 1) / 2) * pixel + back
    z = low + slice_mm * np.arange(int((high - low) / slice_mm))
    # The scanner's coordinates have their own origin; anatomy is placed by the bifurcation of the trachea.
    origin = (round(float(x[0]), 3), round(float(y[0]) + table, 3), round(float(z[0]) - 600.0, 3))
    geometry = Geometry((pixel, pixel, slice_mm), origin)
    return geometry, x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


def _paint(
    anatomy: Anatomy,
    phase: ContrastPhase,
    places: tuple[FloatArray, FloatArray, FloatArray],
    slice_mm: float,
    table_y: float,
    regions: ByteArray,
) -> FloatArray:
    """Noiseless slices at ``places`` (x, y, z); a thick slice is the mean of thinner ones. ``regions`` is filled."""
    x, y, z = places
    thin = int(np.ceil(slice_mm / _FINEST_NEEDED_MM))
    offsets = ((np.arange(thin) - (thin - 1) / 2) * slice_mm / thin).astype(np.float32)
    slices = np.full((len(z), len(y), len(x)), AIR_HU, np.float32)
    paint_table(slices, x, y, table_y)
    front = (_FRONT_MM - 3.0 * anatomy.body.fat_mm) * anatomy.body.scale[1]
    rows = slice(*np.searchsorted(y, (front, table_y)))
    for start in range(0, len(z), _BLOCK_SLICES // thin):
        block = slice(start, start + _BLOCK_SLICES // thin)
        heights = (z[block, None] + offsets).ravel()
        canvas = make_canvas(anatomy.body, x, y[rows], heights, edge_mm=float(x[1] - x[0]))
        canvas.hu[...] = slices[start, rows]
        paint_chest(canvas, anatomy, phase)
        hu, esophagus, tumor = (_thick(array, thin) for array in (canvas.hu, canvas.esophagus, canvas.tumor))
        slices[block, rows] = hu
        # The tumor is a part of the esophagus.
        np.add(esophagus > 0.5, tumor > 0.5, out=regions[block, rows], dtype=np.uint8)
    return slices


def _thick(array: FloatArray, thin: int) -> FloatArray:
    if thin == 1:
        return array
    return np.asarray(array.reshape(-1, thin, *array.shape[1:]).mean(axis=1), dtype=np.float32)


def paint_chest(canvas: Canvas, anatomy: Anatomy, phase: ContrastPhase) -> None:
    """Paint a whole body onto a canvas, from the skin inwards.

    What changes slowly (the surfaces of cage, wall and lungs) is found on every second row and column.
    """
    body, coarse = anatomy.body, canvas.every_second()
    coarse_cage = cage_on(coarse)
    cage = coarse_cage.on(canvas)
    paint_wall(canvas, body, cage, coarse_cage, phase)
    inner = np.maximum(cage.distance, canvas.z - inlet_height(canvas) - np.float32(4.0))
    canvas.whole().paint(inner, FAT_HU)
    roof = canvas.enlarged((coarse.z - diaphragm_height(anatomy.lungs, coarse.x, coarse.y)) * np.float32(0.75))
    paint_abdomen(canvas, anatomy.abdomen, body, np.maximum(roof, cage.distance), phase)
    drape_mediastinum(coarse, anatomy.mediastinum, body)
    drape_esophagus(coarse, anatomy.esophagus)
    aside = canvas.enlarged(beside_mediastinum(coarse))
    paint_lungs(canvas, anatomy.lungs, lung_distance(cage, -roof, aside), phase)
    paint_bones(canvas, body, cage)
    paint_mediastinum(canvas, anatomy.mediastinum, phase)
    section = section_on(canvas, anatomy.esophagus)
    if section is not None:
        resist_mediastinum(canvas, anatomy.mediastinum, body)
        paint_esophagus(canvas, anatomy.esophagus, section, phase)
