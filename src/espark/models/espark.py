"""eSPARK: fusion of the CT vector and the slide vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.aggregator import Aggregator


class ESparkNet(nn.Module):
    """Concatenation of both projected vectors, a hidden layer with sigmoid, two classes.

    A missing modality enters as a zero vector; modality dropout in training teaches the network to meet it.

    Args:
        slide_branch: CytoPath with any aggregator, whose slide vector is fused (its own head is not trained further).
        hidden: length of the slide vector.
        ct_width: length of the CT vector.
        projection: length to which each vector is brought.
        modality_dropout: probability that, in training, one of two known modalities is hidden.
    """

    def __init__(
        self,
        slide_branch: Aggregator,
        *,
        hidden: int = 256,
        ct_width: int = 192,
        projection: int = 128,
        modality_dropout: float = 0.2,
    ):
        super().__init__()
        self.modality_dropout = modality_dropout
        self.slide_branch = slide_branch
        self.slide_projection = nn.Linear(hidden, projection)
        self.ct_branch = nn.Sequential(nn.Linear(ct_width, ct_width), nn.Sigmoid(), nn.Linear(ct_width, projection))
        self.fusion = nn.Sequential(nn.Linear(2 * projection, projection), nn.Sigmoid(), nn.Linear(projection, 2))
        for part in (self.slide_projection, self.ct_branch, self.fusion):
            part.apply(_xavier)

    def forward(self, ct: Tensor, tiles: Tensor, mask: Tensor, known: Tensor) -> Tensor:
        """Logits (patients, 2) of no response and response.

        Args:
            ct: (patients, ct_width), the CT vector of MScaleCT.
            tiles: (patients, tiles, features).
            mask: (patients, tiles), False on padding.
            known: (patients, 2), whether CT and slides are known.
        """
        slide, _ = self.slide_branch.embed(tiles, mask)
        return self.fuse(ct, slide, known)

    def fuse(self, ct: Tensor, slide: Tensor, known: Tensor) -> Tensor:
        """Logits (patients, 2) from the CT vector (patients, ct_width) and the slide vector (patients, hidden)."""
        known = known.to(ct.dtype)
        if self.training and self.modality_dropout > 0:
            known = self._hide_one(known)
        parts = [self.ct_branch(ct) * known[:, :1], self.slide_projection(slide) * known[:, 1:]]
        logits: Tensor = self.fusion(torch.cat(parts, dim=1))
        return logits

    def _hide_one(self, known: Tensor) -> Tensor:
        both = known.sum(dim=1, keepdim=True) == 2
        hide = (torch.rand_like(known[:, :1]) < self.modality_dropout) & both
        which = (torch.rand_like(known[:, :1]) < 0.5).to(known.dtype)
        return torch.where(hide, torch.cat([which, 1 - which], dim=1), known)


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
