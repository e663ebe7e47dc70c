"""MScaleCT: a multi-layer perceptron over the radiomics of the tumor and of the whole esophagus."""

from __future__ import annotations

import abc
import itertools

import torch
from torch import Tensor, nn


class CtNetwork(nn.Module, abc.ABC):
    """The contract of every network that can be used as MScaleCT: a CT vector for the fusion, and an answer.

    Explanations use double precision, so a network must not fix its number type. They also treat one patient at a time,
    so in evaluation the answer for a patient must not depend on other patients.
    """

    @abc.abstractmethod
    def embed(self, radiomics: Tensor, known: Tensor) -> Tensor:
        """The CT vector of each patient, (patients, width).

        Args:
            radiomics: (patients, sum of features), scale after scale, standardized; 0 where a value is missing.
            known: (patients, scales), 1 where a scale is known and 0 where it is missing.
        """

    @abc.abstractmethod
    def forward(self, radiomics: Tensor, known: Tensor) -> Tensor:
        """Logits (patients, 2) of labels 0 and 1; arguments as in :meth:`embed`."""


class MScaleCTNet(CtNetwork):
    """Linear layers with batch norm and identity activation, then two classes.

    The features of all scales are concatenated. A missing scale is filled with zeros (the training mean) and marked by
    a flag. Scale dropout teaches the network to use this flag.

    Args:
        features: number of features of each scale, in the order of the scales.
        width: units of each layer and length of the embedding.
        depth: number of layers.
        scale_dropout: probability that, in training, one of several known scales is hidden.
    """

    def __init__(self, features: tuple[int, ...], *, width: int = 192, depth: int = 3, scale_dropout: float = 0.1):
        super().__init__()
        self.features = features
        self.scale_dropout = scale_dropout
        sizes = [sum(features) + len(features), *[width] * depth]
        layers: list[nn.Module] = []
        for size_in, size_out in itertools.pairwise(sizes):
            layers += [nn.Linear(size_in, size_out), nn.BatchNorm1d(size_out)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, 2)

    def embed(self, radiomics: Tensor, known: Tensor) -> Tensor:
        """The CT vector of each patient.

        Args:
            radiomics: (patients, sum of features), standardized.
            known: (patients, scales), 1 where a scale is known and 0 where it is missing.

        Returns:
            (patients, width).
        """
        known = known.to(radiomics.dtype)
        if self.training and self.scale_dropout > 0:
            known = _hide_one(known, self.scale_dropout)
        visible = torch.repeat_interleave(known, torch.tensor(self.features), dim=1)
        embedding: Tensor = self.layers(torch.cat([radiomics * visible, known - 1.0], dim=1))
        return embedding

    def forward(self, radiomics: Tensor, known: Tensor) -> Tensor:
        """Logits (patients, 2) of labels 0 and 1; arguments as in :meth:`embed`."""
        logits: Tensor = self.head(self.embed(radiomics, known))
        return logits


def _hide_one(known: Tensor, probability: float) -> Tensor:
    """Hide, with the given probability, one column of each row that has more than one."""
    count = known.sum(dim=1, keepdim=True)
    order = torch.rand_like(known).masked_fill(known == 0, -1.0)
    chosen = nn.functional.one_hot(order.argmax(dim=1), known.shape[1]).to(known.dtype)
    hide = (torch.rand_like(count) < probability) & (count > 1)
    return known - chosen * hide
