"""Where to compute: the processor, or a GPU if there is one."""

from __future__ import annotations

import torch

from espark.errors import DeviceError


def choose_device(device: str) -> torch.device:
    """The torch device with this name; ``auto`` takes the first GPU, if there is one.

    Raises:
        DeviceError: when the name is not a device, or this machine does not have the device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"{device!r} is not a device", expected="auto, cpu, cuda or cuda:<number>") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"this machine has no device {device!r}", action="Choose auto or cpu.")
    return chosen
