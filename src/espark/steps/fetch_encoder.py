"""Downloads a published encoder from the Hugging Face hub, and only when the user says so."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from espark.errors import EncoderError
from espark.pathology.encoders.published import PublishedEncoder, fetch_steps

_UNUSED = ("*.msgpack", "*.h5", "*.ot", "*.onnx", "*.py", "*.pdf", "*.png", "*.jpg", "*.tif")
"""Files that espark does not read; code above all."""


def fetch_encoder(entry: PublishedEncoder, folder: Path) -> None:
    """Download the files of an encoder to a folder. Finished files stay when it is run again.

    Raises:
        EncoderError: with the steps by hand: when huggingface_hub is missing, the machine is offline, or access was not
            granted.
    """
    steps = f"Do it by hand:\n{fetch_steps(entry, str(folder))}"
    if importlib.util.find_spec("huggingface_hub") is None:
        raise EncoderError("huggingface_hub is not installed", action=f"pip install huggingface_hub. {steps}")
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        raise EncoderError("HF_HUB_OFFLINE forbids to use the network", where=entry.hub, action=steps)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError

    try:
        snapshot_download(entry.hub, local_dir=folder, ignore_patterns=list(_UNUSED))
    except GatedRepoError as error:
        raise EncoderError(
            f"{entry.title} is given on request, and this machine is not logged in with an account that has access",
            where=f"https://huggingface.co/{entry.hub}",
            action=steps,
        ) from error
    except OSError as error:  # includes all errors of the network
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise EncoderError(f"the files could not be downloaded ({reason})", where=entry.hub, action=steps) from error
