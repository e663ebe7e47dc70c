"""A hash that identifies the weights of a segmenter, independent of their folder."""

from __future__ import annotations

from pathlib import Path

from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.ct.segmentation.totalsegmentator import dataset_folders, default_weights
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.errors import SegmenterError
from espark.files import digest, fingerprint

_NNUNET_FILES = ("dataset.json", "plans.json", "fold_*/checkpoint_final.pth")


def weights_identity(name: str, weights: Path | None = None) -> str:
    """A hash of the weights of a segmenter: equal for the same weights in a different folder or on a different machine.

    espark-mini-seg: its one file of weights. nnunet: ``dataset.json``, ``plans.json`` and the checkpoint of each fold.
    totalsegmentator: the content of the datasets that it loads. A plug-in: its package and name, and the folder of its
    weights if there is one. Versions of software are not part of the hash.

    Args:
        name: a name in `espark.ct.segmentation.catalogue.SEGMENTERS`.
        weights: folder with its files; None for the default weights.

    Returns:
        64 hexadecimal digits; empty for ``masks``, which has no weights.

    Raises:
        SegmenterError: when the weights are missing.
    """
    if name == "masks":
        return ""
    plugin = SEGMENTERS.plugin(name)
    files = _files(name, weights) if plugin is None else [weights] if weights else []
    if (plugin is None and not files) or not all(path.exists() for path in files):
        raise SegmenterError(
            f"the weights of {name} are missing",
            where=weights or "default weights",
            action="Correct the folder of its weights.",
        )
    return digest([*([plugin.package, name] if plugin else []), *(fingerprint(path) for path in files)])


def _files(name: str, weights: Path | None) -> list[Path]:
    if name == "nnunet":
        return [path for pattern in _NNUNET_FILES for path in sorted(weights.glob(pattern))] if weights else []
    if name == "totalsegmentator":
        return dataset_folders(weights or default_weights())
    return [(weights or SHIPPED) / WEIGHTS_FILE]
