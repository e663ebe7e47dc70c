"""The files of an external encoder: their folder, their hash, and how to get them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import re
from pathlib import Path
from typing import Any

from espark.errors import EncoderError
from espark.files import fingerprint
from espark.pathology.encoders.catalogue import EncoderEntry

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHT_FILES = (
    "model*.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model*.bin",
    "open_clip_pytorch_model.bin",
)

LOAD_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError)
"""Errors of the libraries for files that they cannot use. The last one: PyTorch refuses to unpickle objects."""


def stay_offline() -> None:
    """Forbid the Hugging Face libraries, before their import, to use the network, unless the user allows it."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def need_packages(entry: EncoderEntry) -> None:
    """Check that the libraries of an encoder are installed.

    Raises:
        EncoderError: with the command that installs them.
    """
    missing = [package for package in entry.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise EncoderError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            where=f"encoder {entry.name}",
            action=f"Install with: {entry.install}",
        )


def load_library(package: str) -> Any:
    """Import a library of an encoder.

    Raises:
        EncoderError: when it is installed but cannot be imported, for example when torchvision does not match torch.
    """
    stay_offline()
    try:
        return importlib.import_module(package)
    except (ImportError, RuntimeError) as error:
        raise EncoderError(
            f"{package} cannot be imported ({first_line(error)})",
            action="Install matching versions of torch and torchvision.",
        ) from error


def find_folder(entry: EncoderEntry, given: str | Path | None, root: Path | None = None) -> Path:
    """The folder with an encoder's files. Nothing is fetched from the network.

    Args:
        entry: the encoder.
        given: a folder, or the name of a model on the hub that was downloaded before; empty for that of the entry.
        root: folder to which a relative path belongs.

    Raises:
        EncoderError: when there is no folder, with the steps to get it.
    """
    wanted = str(given or entry.hub)
    if not wanted:
        raise EncoderError("no folder is given", where=f"encoder {entry.name}", action=steps(entry))
    folder = (root or Path()) / wanted
    if folder.is_dir():
        return folder
    cached = _in_hub_cache(wanted) if _HUB_NAME.fullmatch(wanted) else None
    if cached is None:
        raise EncoderError("the weights are missing", where=folder if given else wanted, action=steps(entry))
    return cached


def weight_files(folder: Path, entry: EncoderEntry) -> list[Path]:
    """The weights in a folder: safetensors if there are any, otherwise PyTorch files.

    Raises:
        EncoderError: when there are no weights, with the steps to get them.
    """
    for pattern in _WEIGHT_FILES:
        found = sorted(folder.glob(pattern))
        if found:
            return found
    raise EncoderError(
        "the folder holds no weights",
        where=folder,
        expected=", ".join(_WEIGHT_FILES),
        action=steps(entry),
    )


def weights_hash(files: list[Path]) -> list[str]:
    """Fingerprint of each file, sorted."""
    return sorted(fingerprint(path) for path in files)


def steps(entry: EncoderEntry) -> str:
    """The commands to get the encoder."""
    folder = f"models/{(entry.example or entry.name).rsplit('/', 1)[-1].lower()}"
    install = f"{entry.install}; " if entry.install else ""
    return (
        f"Run: {install}pip install huggingface_hub; hf auth login; hf download {entry.example} --local-dir {folder} "
        f"(some models are given on request: ask for access to {entry.example} on its page first); then write "
        f'encoder_path = "{folder}" under [slides] in study.toml, or give --encoder-path.'
    )


def _in_hub_cache(name: str) -> Path | None:
    """The newest snapshot of a model that was downloaded before; None when there is none."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    try:
        return Path(load_library("huggingface_hub").snapshot_download(name, local_files_only=True))
    except OSError:  # includes its LocalEntryNotFoundError
        return None


def first_line(error: Exception) -> str:
    """The first line of a long message of a library."""
    return (str(error).splitlines() or [type(error).__name__])[0]
