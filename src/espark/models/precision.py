"""The number format in which a network computes: float32, or bfloat16 if the processor supports it in hardware."""

from __future__ import annotations

import torch

from espark.types import Precision

TORCH_TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware. Only then it saves time; otherwise it is emulated in software.

    Processors: AVX512-BF16; processors with AMX also have it. GPUs: CUDA with native bfloat16.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # has no public name before PyTorch 2.12
    return supported is not None and bool(supported())
