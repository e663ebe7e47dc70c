"""Self-attention with time and memory that grow with the number of tokens, not with its square."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NystromAttention(nn.Module):
    """Nyström self-attention (Xiong et al., Nyströmformer, AAAI 2021) with the residual convolution of its authors.

    Attention over a short sequence is exact, because this is then cheaper than the pseudo-inverse. A table of tokens by
    landmarks is never stored: both outer factors go through the fused attention of torch.

    Args:
        width: length of a token, a multiple of ``heads``.
        heads: number of heads.
        landmarks: number of landmarks, each the mean of a segment of the sequence.
        exact: longest sequence with exact attention; the number of landmarks when None.
        iterations: steps towards the pseudo-inverse.
        kernel: length of the residual convolution over the values, odd.
        dropout: dropout of the output, in training.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        landmarks: int,
        exact: int | None = None,
        iterations: int = 6,
        kernel: int = 33,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.heads, self.landmarks, self.iterations = heads, landmarks, iterations
        self.exact = landmarks if exact is None else max(exact, landmarks)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.residual = nn.Conv2d(heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False)
        self.out = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))

    def forward(self, tokens: Tensor) -> Tensor:
        """(1, n, width) from (1, n, width)."""
        query, key, value = self._heads(tokens)
        mixed = self._mix(query, query, key, value) + self.residual(value)  # (1, heads, n, width / heads)
        attended: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return attended

    def of_first(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The new first token, (1, 1, width), and its weights on all tokens, (n,), as mean over the heads.

        The weights of the approximation may be negative and may not sum to 1.
        """
        query, key, value = self._heads(tokens)
        first = query[:, :, :1]
        reach = self.residual.kernel_size[0] // 2 + 1
        near = self.residual(value[:, :, :reach])[:, :, :1]
        mixed = self._mix(first, query, key, value) + near
        with torch.no_grad():
            weights = self._row(first, query, key)
        return self.out(mixed.transpose(1, 2).flatten(2)), weights

    def _heads(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (1, heads, n, width / heads)."""
        parts = self.qkv(tokens).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        return query, key, value

    def _mix(self, asked: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The values weighted for the queries ``asked``; ``query`` holds the queries of the whole sequence."""
        attend = nn.functional.scaled_dot_product_attention
        if query.shape[2] <= self.exact:
            return attend(asked, key, value)
        few_queries, few_keys = self._stretches(query), self._stretches(key)
        inverse = self._inverse(few_queries, few_keys)  # (1, heads, landmarks, landmarks)
        return attend(asked, few_keys, inverse @ attend(few_queries, key, value))

    def _row(self, asked: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """Row (n,) of the approximated attention for the single query ``asked``, as mean over the heads."""
        scale = query.shape[-1] ** -0.5
        if query.shape[2] <= self.exact:
            return torch.softmax(scale * asked @ key.mT, dim=-1).mean(dim=1)[0, 0]
        few_queries, few_keys = self._stretches(query), self._stretches(key)
        near = torch.softmax(scale * asked @ few_keys.mT, dim=-1) @ self._inverse(few_queries, few_keys)
        rows = [
            near[0, head] @ torch.softmax(scale * few_queries[0, head] @ key[0, head].mT, dim=-1)
            for head in range(self.heads)  # one head at a time: landmarks by tokens is the largest table
        ]
        return torch.stack(rows).mean(dim=0)[0]

    def _stretches(self, tokens: Tensor) -> Tensor:
        """Means of the segments of the sequence, one segment for each landmark."""
        flat = tokens.flatten(0, 1).mT  # (heads, width / heads, n)
        return nn.functional.adaptive_avg_pool1d(flat, self.landmarks).mT[None]

    def _inverse(self, few_queries: Tensor, few_keys: Tensor) -> Tensor:
        scale = few_queries.shape[-1] ** -0.5
        with torch.autocast(few_queries.device.type, enabled=False):  # the iteration does not converge in bfloat16
            wide = torch.promote_types(few_queries.dtype, torch.float32)
            likeness = scale * few_queries.to(wide) @ few_keys.to(wide).mT
            return pseudo_inverse(torch.softmax(likeness, dim=-1), self.iterations)


def pseudo_inverse(matrix: Tensor, iterations: int) -> Tensor:
    """Moore–Penrose inverse of (..., m, m) with rows that sum to 1, by iteration (Razavi et al., 2014)."""
    size = matrix.abs()
    inverse = matrix.mT / (size.sum(dim=-1).max() * size.sum(dim=-2).max())
    one = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    for _ in range(iterations):
        product = matrix @ inverse
        inverse = 0.25 * inverse @ (13 * one - product @ (15 * one - product @ (7 * one - product)))
    return inverse
