"""A small patient with a result, for tests of DICOM objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ct_phantoms import SeriesSpec, chest, write_multiframe, write_series
from espark.ct.files.volume import read_ct
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import Regions, regions_from_masks
from espark.dicom_out.case_result import CaseResult, GivenAnswer, ModelIdentity
from espark.dicom_out.write_objects import CtToSend, WrittenObjects, write_objects
from espark.outcome import Outcome

PROBABILITY, THRESHOLD = 0.7312345678901234, 0.4198765432109876
ANSWER = GivenAnswer(PROBABILITY, THRESHOLD, 1, "positive", 0.9)
MODEL = ModelIdentity("espark", "eSPARK", "0.1.0", "ab" * 32, "The model was trained on 10 patients.")
PDF = b"%PDF-1.4 a page"

TURN = float(np.cos(0.3)), float(np.sin(0.3))
GEOMETRIES = {
    "head first": SeriesSpec(),
    "feet first": SeriesSpec(orientation=(-1, 0, 0, 0, 1, 0)),
    "face down": SeriesSpec(orientation=(-1, 0, 0, 0, -1, 0)),
    "coronal": SeriesSpec(orientation=(1, 0, 0, 0, 0, -1)),
    "oblique, anisotropic": SeriesSpec(
        orientation=(TURN[0], TURN[1], 0, -TURN[1], TURN[0], 0), spacing=(0.7, 1.9), gap=2.3, origin=(12.3, -45.6, 7.8)
    ),
}


def masks(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Tumor and esophagus, not symmetric in any direction."""
    tumor, esophagus = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    tumor[4:7, 15:21, 17:25] = True
    tumor[7, 15:17, 17:20] = True
    esophagus[1:11, 16:22, 18:24] = True
    return {"tumor": tumor, "esophagus": esophagus}


def dicom_ct(folder: Path, spec: SeriesSpec) -> CtVolume:
    write_series(folder, chest(), spec)
    return read_ct(folder)


def multi_frame_ct(path: Path) -> CtVolume:
    write_multiframe(path, chest(), order=np.random.default_rng(0).permutation(12).tolist())
    return read_ct(path)


def drawn(ct: CtVolume) -> Regions:
    return regions_from_masks(ct, **masks(ct.size[::-1]))


def result(ct: CtVolume | None, regions: Regions | None, answer: GivenAnswer | None = ANSWER) -> CaseResult:
    reasons = () if answer else ("The CT differs from those of the development patients.",)
    measured = (
        {} if ct is None or regions is None else {s: describe_region(ct, regions.mask(s)) for s in regions.scales}
    )
    return CaseResult("p1", "a disease", Outcome(), MODEL, "ct", answer is not None, reasons, answer, measured)


def written(folder: Path, path: Path, ct: CtVolume, answer: GivenAnswer | None = ANSWER) -> WrittenObjects:
    regions = drawn(ct)
    return write_objects(folder, result(ct, regions, answer), ct=CtToSend(path, ct, regions), slides=(), pdf=PDF)
