"""Cross-attention: the tokens of each modality attend to the tokens of the others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from espark.models.aggregators.transformer import AttentionBlock
from espark.models.fusions.fusion import Fusion

_TOKENS = 4


class CrossAttention(Fusion):
    """A block of multi-head attention from the tokens of each modality to the tokens of the others.

    Each vector is first turned into a few tokens, because attention to a single token has no effect. A single modality
    attends to itself. The answer is computed from the mean of the known tokens.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.tokens = nn.ModuleList(nn.Linear(width, _TOKENS * width) for _ in range(modalities))
        self.block = AttentionBlock(width, math.gcd(width, 4))
        self.head = nn.Linear(width, 2)

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """Logits from the mean of the known tokens after the attention; arguments as in the contract."""
        layers = zip(self.tokens, vectors.unbind(1), strict=True)
        tokens = [layer(part).unflatten(1, (_TOKENS, self.width)) for layer, part in layers]
        all_tokens = torch.cat(tokens, dim=1)  # (patients, modalities * tokens, width)
        looked = [self.block(own, all_tokens, self._visible(known, index)) for index, own in enumerate(tokens)]
        of_modality = torch.stack(looked, dim=1).mean(dim=2)  # (patients, modalities, width)
        answer: Tensor = self.head((of_modality * known[..., None]).sum(dim=1) / known.sum(dim=1, keepdim=True))
        return answer

    def _visible(self, known: Tensor, asking: int) -> Tensor:
        """True for the known tokens of the others, otherwise for its own tokens; (patients, modalities * tokens)."""
        own = nn.functional.one_hot(torch.tensor(asking), self.modalities).bool().to(known.device)
        others = (known > 0) & ~own
        return torch.where(others.any(dim=1, keepdim=True), others, own).repeat_interleave(_TOKENS, dim=1)
