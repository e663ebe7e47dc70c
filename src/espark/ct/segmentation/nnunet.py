"""An nnU-Net v2 model of the user. It needs an extra package: ``pip install 'espark[nnunet]'``.

nnU-Net's checkpoints are pickles, which can run code when they are read. Give only a folder that you trust.
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espark.ct.files.nifti import write_image_file
from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.segmenter import FoundMasks
from espark.errors import SegmenterError
from espark.files import read_json
from espark.types import AnyArray, BoolArray, Region

_NAMES: dict[Region, tuple[str, ...]] = {
    "esophagus": ("esophag", "oesophag"),
    "tumor": ("tumor", "tumour", "gtv", "escc", "cancer", "lesion"),
}


class NnUnet:
    """See `espark.ct.segmentation.segmenter.Segmenter`.

    Which labels are esophagus and tumor is read from their names in ``dataset.json``.

    Args:
        folder: trained model: ``dataset.json``, ``plans.json``, ``fold_…/checkpoint_final.pth``.

    Raises:
        SegmenterError: when the package is missing, or the folder is not such a model.
    """

    name = "nnunet"

    def __init__(self, folder: Path):
        self._labels = label_values(folder)
        self.finds_tumor = bool(self._labels["tumor"])
        try:
            predictor = importlib.import_module("nnunetv2.inference.predict_from_raw_data").nnUNetPredictor
            self._reader = importlib.import_module("nnunetv2.imageio.simpleitk_reader_writer").SimpleITKIO()
        except ImportError as error:
            raise SegmenterError(
                f"nnU-Net is not installed ({error})", action="Install it: pip install 'espark[nnunet]'."
            ) from error
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._predictor = predictor(device=device, verbose=False, allow_tqdm=False)
            self._predictor.initialize_from_trained_model_folder(str(folder), use_folds=None)
        except Exception as error:  # other software can raise any error
            raise SegmenterError(f"nnU-Net cannot load the model ({error})", where=folder) from error

    def segment(self, ct: CtVolume) -> FoundMasks:
        """Find the regions that the model was trained for.

        Raises:
            SegmenterError: when nnU-Net fails.
        """
        try:
            with tempfile.TemporaryDirectory() as name:
                path = Path(name) / "ct_0000.nii.gz"
                write_image_file(path, ct.image)
                voxels, properties = self._reader.read_images([str(path)])
            found: AnyArray = self._predictor.predict_single_npy_array(voxels, properties, None, None, False)
        except Exception as error:  # any error of other software becomes the failure of this patient
            raise SegmenterError(f"nnU-Net failed ({error})") from error
        tumor = _where(found, self._labels["tumor"])
        esophagus = _where(found, self._labels["esophagus"])
        if esophagus is not None and tumor is not None:
            esophagus = esophagus | tumor
        return FoundMasks(esophagus, tumor)


def label_values(folder: Path) -> dict[Region, tuple[int, ...]]:
    """Label values of each region in the output of a model.

    Raises:
        SegmenterError: when the folder is not an nnU-Net model, or none of its labels is esophagus or tumor.
    """
    wanted = [folder / "dataset.json", folder / "plans.json"]
    if missing := [path.name for path in wanted if not path.is_file()]:
        raise SegmenterError(
            f"this is not a trained nnU-Net model: {', '.join(missing)} missing",
            where=folder,
            expected="the folder nnUNet_results/Dataset…/nnUNetTrainer__…",
            action="Name it in [ct] segmenter_weights.",
        )
    labels: dict[str, Any] = read_json(folder / "dataset.json").get("labels", {})
    found: dict[Region, tuple[int, ...]] = {
        scale: tuple(
            int(value)
            for label, values in labels.items()
            if any(name in label.lower() for name in names)
            for value in (values if isinstance(values, list) else [values])
        )
        for scale, names in _NAMES.items()
    }
    if not any(found.values()):
        raise SegmenterError(
            f"none of the labels is esophagus or tumor: {', '.join(labels) or 'none'}", where=folder / "dataset.json"
        )
    return found


def _where(found: AnyArray, values: tuple[int, ...]) -> BoolArray | None:
    inside: BoolArray = np.isin(found, values)
    return inside if inside.any() else None
