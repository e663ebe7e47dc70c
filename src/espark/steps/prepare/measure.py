"""Radiomics of a patient's regions, by region and image type side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import SimpleITK as sitk

from espark.ct.features.radiomics import (
    RadiomicsPart,
    RadiomicsResult,
    RadiomicsSettings,
    RadiomicsWork,
    radiomics_work,
)
from espark.ct.hounsfield import CtVolume
from espark.work.progress import Reporter
from espark.work.workers import side_by_side

_WORTH_A_POOL = 4_000_000  # voxels of all filtered images; less takes no longer than a worker's start


def measure_regions(
    ct: CtVolume,
    masks: Sequence[sitk.Image],
    settings: RadiomicsSettings,
    *,
    wanted: Sequence[frozenset[str]] | None = None,
    workers: int = 1,
    reporter: Reporter | None = None,
) -> list[RadiomicsResult]:
    """Features of several regions of a CT, the same to the last bit however many workers there are.

    A part of the work is one image type of one region; the worker filters the image itself, so that little has to be
    sent. The largest parts go first: the small ones then fill up what is left of everybody's time.

    Args:
        ct: the CT.
        masks: regions, (0, 1) on the CT's grid.
        settings: how features are computed.
        wanted: for each mask, the names of the features that are needed; others may be left out. None for all.
        workers: processes that work side by side, as far as there is work for them; with one, everything happens in
            this process.
        reporter: shows the progress.

    Returns:
        One result for each mask.

    Raises:
        FeatureError: when a mask is not on the CT's grid.
    """
    names: Sequence[frozenset[str] | None] = wanted or [None] * len(masks)
    job = ct, masks, settings, names, workers
    prepared = next(side_by_side(_brought_onto_grid, [job], workers=1, uses_torch=False))
    parts = [(number, part) for number, work in enumerate(prepared) for part in work.parts()]
    parts.sort(key=lambda numbered: -numbered[1].size)
    found: list[list[RadiomicsResult]] = [[] for _ in prepared]
    workers = _useful(workers, [part.size for _, part in parts])
    with (reporter or Reporter("quiet")).track("radiomics", len(parts)) as advance:
        answers = side_by_side(_compute, [part for _, part in parts], workers=workers, uses_torch=False)
        for (number, _), answer in zip(parts, answers, strict=True):
            found[number].append(answer)
            advance()
    return [work.joined(results) for work, results in zip(prepared, found, strict=True)]


def _useful(workers: int, sizes: Sequence[int]) -> int:
    """Not more workers than shorten the work: a part is not divided, and a worker has to be started."""
    if sum(sizes) < _WORTH_A_POOL:
        return 1
    return min(workers, -(-sum(sizes) // max(sizes)))


def _brought_onto_grid(
    job: tuple[CtVolume, Sequence[sitk.Image], RadiomicsSettings, Sequence[frozenset[str] | None], int],
) -> list[RadiomicsWork]:
    """The work of each region; threads serve, for resampling lets others run, and nothing has to be sent."""
    ct, masks, settings, wanted, threads = job
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda mask, names: radiomics_work(ct, mask, settings, names), masks, wanted))


def _compute(part: RadiomicsPart) -> RadiomicsResult:
    return part.compute()
