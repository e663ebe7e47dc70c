"""The esophagus of TotalSegmentator. It needs an extra package: ``pip install 'espark[totalsegmentator]'``.

Nothing is fetched and nothing is sent: the weights must be on the disk, and the usage statistics of
TotalSegmentator are switched off. The thickness of the wall gives a proposal for the tumor.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from espark.ct.files.nifti import write_image_file
from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.segmenter import FoundMasks
from espark.errors import SegmenterError
from espark.files import write_json
from espark.types import BoolArray

_HOME, _WEIGHTS = "TOTALSEG_HOME_DIR", "TOTALSEG_WEIGHTS_PATH"
_DATASETS = (291, 292, 293, 294, 295, 298)
"""The datasets that task "total" loads for a subset of organs: five parts, and a coarse one for cropping."""


class TotalSegmentator:
    """See `espark.ct.segmentation.segmenter.Segmenter`.

    Args:
        weights: folder with the ``Dataset…`` folders; None for the default folder of TotalSegmentator.

    Raises:
        SegmenterError: when the package or its weights are missing.
    """

    name = "totalsegmentator"
    finds_tumor = False

    def __init__(self, weights: Path | None = None):
        try:
            self._package = importlib.import_module("totalsegmentator.python_api")
        except ImportError as error:
            raise SegmenterError(
                f"TotalSegmentator is not installed ({error})",
                action="Install it: pip install 'espark[totalsegmentator]'.",
            ) from error
        self.weights = weights or default_weights()
        missing = [str(number) for number in _DATASETS if not list(self.weights.glob(f"Dataset{number}_*"))]
        if missing:
            raise SegmenterError(
                f"weights of TotalSegmentator are missing: Dataset{', Dataset'.join(missing)}",
                where=self.weights,
                action="espark does not download them. Download them with `totalseg_download_weights -t total` and "
                "`totalseg_download_weights -t total_fastest`, or name their folder in [ct] segmenter_weights.",
            )

    def segment(self, ct: CtVolume) -> FoundMasks:
        """Find the esophagus.

        Raises:
            SegmenterError: when TotalSegmentator fails.
        """
        with tempfile.TemporaryDirectory() as name, _environment(Path(name), self.weights):
            folder = Path(name)
            write_image_file(folder / "ct.nii.gz", ct.image)
            try:
                self._package.totalsegmentator(
                    folder / "ct.nii.gz", folder / "found", roi_subset=["esophagus"], quiet=True
                )
                mask = sitk.ReadImage(str(folder / "found" / "esophagus.nii.gz"))
            except Exception as error:  # any error of other software becomes the failure of this patient
                raise SegmenterError(f"TotalSegmentator failed ({error})") from error
        esophagus: BoolArray = sitk.GetArrayFromImage(mask) > 0
        return FoundMasks(esophagus if esophagus.any() else None, None)


def dataset_folders(weights: Path) -> list[Path]:
    """The existing folders of the datasets that are loaded."""
    return [folder for number in _DATASETS for folder in sorted(weights.glob(f"Dataset{number}_*"))]


def default_weights() -> Path:
    """The default folder of weights of TotalSegmentator."""
    if _WEIGHTS in os.environ:
        return Path(os.environ[_WEIGHTS])
    return Path(os.environ.get(_HOME, Path.home() / ".totalsegmentator")) / "nnunet" / "results"


@contextmanager
def _environment(folder: Path, weights: Path) -> Iterator[None]:
    """A separate home folder for one run, with usage statistics switched off."""
    settings = {
        "totalseg_id": "totalseg_espark",
        "send_usage_stats": False,
        "prediction_counter": 0,
        "statistics_disclaimer_shown": True,
    }
    write_json(folder / "home" / "config.json", settings)
    before = {key: os.environ.get(key) for key in (_HOME, _WEIGHTS)}
    os.environ[_HOME], os.environ[_WEIGHTS] = str(folder / "home"), str(weights)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
