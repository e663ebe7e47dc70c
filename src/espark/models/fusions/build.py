"""The fusions, and from a name in the catalogue to one of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import without_padding
from espark.models.aggregators.transformer import AttentionBlock
from espark.models.fusions.fusion import Fusion

_TENSOR_SIDE = 16
_TOKENS = 4


class Concatenation(Fusion, nn.Sequential):
    """As published: the vectors side by side, a hidden layer with sigmoid, two classes."""

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        # A sequence itself, not a holder of one, so that its weights keep the names they have in published bundles.
        self.extend([nn.Linear(modalities * width, width), nn.Sigmoid(), nn.Linear(width, 2)])

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """The hidden layer over all vectors; arguments as in the contract."""
        del known  # an unknown vector is zeros
        answer: Tensor = self(vectors.flatten(1))
        return answer


class Late(Fusion):
    """Each modality answers by itself; the answer is the mean of the logits of those that are known.

    In training each answers for its own mistakes: the loss is the mean of the cross-entropies one by one.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.heads = nn.ModuleList(nn.Linear(width, 2) for _ in range(modalities))

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """The mean over the known modalities; arguments as in the contract."""
        return (self._own(vectors) * known[..., None]).sum(dim=1) / known.sum(dim=1, keepdim=True)

    def loss(self, vectors: Tensor, known: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Mean cross-entropy over every modality known of every patient; arguments as in the contract."""
        there = known > 0
        own = self._own(vectors)[there]  # (known of all patients, 2)
        repeated = labels[:, None].expand_as(there)[there]
        return nn.functional.cross_entropy(own, repeated, label_smoothing=label_smoothing)

    def _own(self, vectors: Tensor) -> Tensor:
        """(patients, modalities, 2) logits of each modality by itself."""
        return torch.stack([head(part) for head, part in zip(self.heads, vectors.unbind(1), strict=True)], dim=1)


class Gated(Fusion):
    """Gated multimodal unit (Arevalo et al., Gated multimodal units for information fusion, ICLR workshop 2017, eq. 1).

    Unit by unit, a gate that sees all vectors shares the answer out among the known modalities. Between two modalities
    it is the sigmoid gate of the paper; among more it is a softmax, and a modality alone has all of it.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.content = nn.ModuleList(nn.Linear(width, width) for _ in range(modalities))
        self.gate = nn.Linear(modalities * width, modalities * width)
        self.head = nn.Linear(width, 2)

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """The gated sum of what each modality says; arguments as in the contract."""
        parts = zip(self.content, vectors.unbind(1), strict=True)
        content = torch.stack([torch.tanh(layer(part)) for layer, part in parts], dim=1)
        answer: Tensor = self.head((self.shares(vectors, known) * content).sum(dim=1))
        return answer

    def shares(self, vectors: Tensor, known: Tensor) -> Tensor:
        """(patients, modalities, width), not negative, with the sum 1 over the modalities and 0 where unknown."""
        scores = self.gate(vectors.flatten(1)).unflatten(1, (self.modalities, self.width))
        return torch.softmax(without_padding(scores, known[..., None] > 0), dim=1)


class CrossAttention(Fusion):
    """Each modality looks at the others: a block of multi-head attention from the tokens of one to those of the rest.

    A vector becomes a few tokens first, since attention to a single one is no choice. A modality alone looks at
    itself. The answer rests on the mean of the tokens that are known.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.tokens = nn.ModuleList(nn.Linear(width, _TOKENS * width) for _ in range(modalities))
        self.block = AttentionBlock(width, math.gcd(width, 4))
        self.head = nn.Linear(width, 2)

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """The mean of the known tokens after they looked at the others; arguments as in the contract."""
        layers = zip(self.tokens, vectors.unbind(1), strict=True)
        tokens = [layer(part).unflatten(1, (_TOKENS, self.width)) for layer, part in layers]
        all_tokens = torch.cat(tokens, dim=1)  # (patients, modalities * tokens, width)
        looked = [self.block(own, all_tokens, self._visible(known, index)) for index, own in enumerate(tokens)]
        of_modality = torch.stack(looked, dim=1).mean(dim=2)  # (patients, modalities, width)
        answer: Tensor = self.head((of_modality * known[..., None]).sum(dim=1) / known.sum(dim=1, keepdim=True))
        return answer

    def _visible(self, known: Tensor, asking: int) -> Tensor:
        """(patients, modalities * tokens) True for the known tokens of the others; its own where there is no other."""
        own = nn.functional.one_hot(torch.tensor(asking), self.modalities).bool().to(known.device)
        others = (known > 0) & ~own
        return torch.where(others.any(dim=1, keepdim=True), others, own).repeat_interleave(_TOKENS, dim=1)


class TensorProduct(Fusion):
    """Tensor fusion (Zadeh et al., Tensor fusion network, EMNLP 2017, eq. 6): the outer product of the vectors.

    To each vector a 1 is appended, so that the product holds every modality by itself beside every combination; of an
    unknown one only the 1 is left. Each vector is made short first, for the product grows with their lengths.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.shorten = nn.ModuleList(nn.Linear(width, _TENSOR_SIDE) for _ in range(modalities))
        self.layers = nn.Sequential(
            nn.Linear((_TENSOR_SIDE + 1) ** modalities, width), nn.Sigmoid(), nn.Linear(width, 2)
        )  # fmt: skip

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """A hidden layer over the product; arguments as in the contract."""
        answer: Tensor = self.layers(self.product(vectors, known))
        return answer

    def product(self, vectors: Tensor, known: Tensor) -> Tensor:
        """(patients, 17 ** modalities), the modalities' own and joint parts."""
        product = torch.ones_like(known[:, :1])  # (patients, 1)
        for layer, part, there in zip(self.shorten, vectors.unbind(1), known.unbind(1), strict=True):
            short = torch.tanh(layer(part)) * there[:, None]
            extended = torch.cat([short, torch.ones_like(short[:, :1])], dim=1)
            product = torch.einsum("pi,pj->pij", product, extended).flatten(1)
        return product


_BUILDERS: dict[str, Callable[[int, int], Fusion]] = {
    "concatenation": Concatenation,
    "late": Late,
    "gated": Gated,
    "cross-attention": CrossAttention,
    "tensor": TensorProduct,
}


def build_fusion(name: str, width: int, modalities: int) -> Fusion:
    """A fusion with fresh weights.

    Args:
        name: a name in `espark.models.fusions.catalogue.FUSIONS`.
        width: length to which the vector of each modality is brought.
        modalities: number of vectors.

    Raises:
        KeyError: when there is no such fusion.
    """
    return _BUILDERS[name](width, modalities)
