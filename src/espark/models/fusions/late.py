"""Late fusion: each modality gives a separate answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.fusions.fusion import Fusion


class Late(Fusion):
    """Each modality gives separate logits; the answer is the mean of the logits of the known modalities.

    In training, the loss is the mean of the cross-entropies of the separate answers.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.heads = nn.ModuleList(nn.Linear(width, 2) for _ in range(modalities))

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """The mean over the known modalities; arguments as in the contract."""
        return (self._own(vectors) * known[..., None]).sum(dim=1) / known.sum(dim=1, keepdim=True)

    def loss(self, vectors: Tensor, known: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Mean cross-entropy over all known modalities of all patients; arguments as in the contract."""
        there = known > 0
        own = self._own(vectors)[there]  # (known modalities of all patients, 2)
        repeated = labels[:, None].expand_as(there)[there]
        return nn.functional.cross_entropy(own, repeated, label_smoothing=label_smoothing)

    def _own(self, vectors: Tensor) -> Tensor:
        """(patients, modalities, 2) separate logits of each modality."""
        return torch.stack([head(part) for head, part in zip(self.heads, vectors.unbind(1), strict=True)], dim=1)
