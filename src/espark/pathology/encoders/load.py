"""From an encoder's name to the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from espark.catalogue import running
from espark.errors import EncoderError
from espark.pathology.encoders.catalogue import ENCODERS, EncoderRequest
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.outside import OutsideEncoder
from espark.types import Precision

EMBEDDED = "espark-mini"


def load_encoder(
    name: str,
    *,
    weights: str | Path | None = None,
    root: Path | None = None,
    label: str = "",
    device: str = "auto",
    precision: Precision | Literal["auto"] = "auto",
) -> Encoder:
    """Load an encoder of the catalogue. Nothing is fetched from the network.

    Args:
        name: a name in `espark.pathology.encoders.catalogue.ENCODERS`.
        weights: folder with the encoder's files, or the name of a model of the Hugging Face hub that was downloaded
            before; not needed for the embedded encoder.
        root: folder for a relative path in ``weights``.
        label: name of the encoder in files and reports; its name in the catalogue when empty.
        device: ``auto`` (GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        precision: number format of the computation; ``auto``: for the embedded encoder, bfloat16 if the device has it
            in hardware. The other encoders of espark compute in float32.

    Raises:
        EncoderError: when the encoder is unknown, or its libraries or weights are missing. The message gives the steps
            to get the missing files.
        PluginError: when the encoder belongs to a plug-in and cannot be loaded.
        DeviceError: when the machine does not have the device.
    """
    entry = ENCODERS.find(name)
    if precision not in ("auto", *entry.precisions):
        raise EncoderError(
            f"it does not compute in {precision}",
            where=f"encoder {name}",
            expected=f"auto, {' or '.join(entry.precisions)}",
            action='Set precision = "auto" under [slides] in study.toml.',
        )
    request = EncoderRequest(entry, weights, root, label, device, precision)
    plugin = ENCODERS.plugin(name)
    if plugin is None:
        return entry.build(request)
    with running(plugin):
        return OutsideEncoder(entry.build(request), plugin, label=label)
