"""The radiomics of one patient, shared between workers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

import espark.steps.prepare.measure as step
from espark.ct.features.radiomics import (
    RadiomicsResult,
    RadiomicsSettings,
    compute_radiomics,
    feature_names,
    radiomics_work,
)
from espark.ct.grid import image_like
from espark.ct.hounsfield import CtVolume
from espark.errors import FeatureError
from espark.steps.prepare.prepare import prepare
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
SOME = RadiomicsSettings(image_types=("Original", "Wavelet", "LBP3D", "Gradient"))


@pytest.fixture(scope="module")
def ct() -> CtVolume:
    hu = np.random.default_rng(5).normal(30, 40, (14, 24, 26)).round().astype(np.int16)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((1.5, 1.5, 3.0))
    return CtVolume(image, "nifti")


@pytest.fixture(scope="module")
def masks(ct: CtVolume) -> list[sitk.Image]:
    """A large region, a small one, a single voxel (reasons, hardly values), and none at all."""
    boxes = (np.s_[2:12, 4:20, 4:22], np.s_[5:9, 8:14, 8:13], np.s_[6, 10, 10], np.s_[:0])
    found = []
    for box in boxes:
        inside = np.zeros(ct.size[::-1], dtype=np.uint8)
        inside[box] = 1
        found.append(image_like(inside, ct.image))
    return found


def bits(result: RadiomicsResult) -> tuple[bytes, dict[str, str], int]:
    assert tuple(result.values) == feature_names(SOME)
    return np.array([*result.values.values()]).tobytes(), result.failures, result.voxels


def test_the_same_to_the_last_bit(ct: CtVolume, masks: list[sitk.Image], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [next(side_by_side(_compute, [(ct, mask)], workers=1)) for mask in masks]
    one = step.measure_regions(ct, masks, SOME, workers=1)
    monkeypatch.setattr(step, "_WORTH_A_POOL", 0)
    two = step.measure_regions(ct, masks, SOME, workers=2)
    assert [*map(bits, alone)] == [*map(bits, one)] == [*map(bits, two)]
    assert two[0].voxels > two[1].voxels > two[3].voxels == 0
    assert two[2].failures and two[3].reason("wavelet-LLL_glcm_Idn") == "the region is empty"


def _compute(job: tuple[CtVolume, sitk.Image]) -> RadiomicsResult:
    return compute_radiomics(*job, SOME)


def test_parts_are_joined_in_any_order(ct: CtVolume, masks: list[sitk.Image]) -> None:
    work = radiomics_work(ct, masks[1], SOME)
    parts = work.parts()
    assert [part.settings.image_types for part in parts] == [("Original",), ("Wavelet",), ("LBP3D",), ("Gradient",)]
    assert parts[1].size == 8 * parts[0].size
    results = [part.compute() for part in parts]
    assert sum(len(result.values) for result in results) == len(feature_names(SOME))
    assert bits(work.joined(results)) == bits(work.joined(reversed(results)))


def test_largest_parts_first_and_a_place_for_each_answer(
    ct: CtVolume, masks: list[sitk.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def recording(function: object, jobs: list[object], **options: object) -> object:
        jobs = list(jobs)
        sizes.extend(job.size for job in jobs if hasattr(job, "size"))
        return side_by_side(function, jobs, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(step, "side_by_side", recording)
    measured = step.measure_regions(ct, [masks[1], masks[0]], SOME)
    assert len(sizes) == 8 and sizes == sorted(sizes, reverse=True)
    expected = [step.measure_regions(ct, [mask], SOME)[0] for mask in (masks[1], masks[0])]
    assert [*map(bits, measured)] == [*map(bits, expected)]


def test_no_worker_without_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert step._useful(8, []) == 1
    assert step._useful(8, [80, 10, 10]) == 1
    monkeypatch.setattr(step, "_WORTH_A_POOL", 100)
    assert step._useful(8, [80, 10, 10]) == 2
    assert step._useful(2, [80, 80, 80, 10]) == 2
    assert step._useful(8, [80, 80, 80, 10]) == 4
    assert step._useful(1, [80, 80, 80, 10]) == 1


def test_a_mask_on_another_grid_is_refused(ct: CtVolume) -> None:
    with pytest.raises(FeatureError, match="different grid"):
        step.measure_regions(ct, [sitk.GetImageFromArray(np.ones((2, 2, 2), np.uint8))], SOME, workers=2)


def test_one_ct_on_two_workers_gives_the_same_files(
    trial: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "_WORTH_A_POOL", 0)
    study = Path(shutil.copytree(trial, tmp_path / "study"))
    cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
    chosen = cohort["patient_id"].iloc[3]
    images = ["ct", "tumor_mask", "esophagus_mask"]
    cohort.loc[cohort["patient_id"] != chosen, images] = ""
    cohort.to_csv(study / "cohort.csv", index=False)
    result = prepare(open_workspace(study), only="ct", workers=2, reporter=QUIET)
    assert result.done == 1 and not result.failed
    for name in ("radiomics.json", "regions.nii.gz"):
        written = study / "prepared" / "ct" / chosen / name
        assert written.read_bytes() == (finished / "prepared" / "ct" / chosen / name).read_bytes()
