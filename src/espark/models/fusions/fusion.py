"""The contract of all fusions: one vector a modality and what is known of it in, logits out."""

from __future__ import annotations

import abc

from torch import Tensor, nn


class Fusion(nn.Module, abc.ABC):
    """From the vectors of the modalities, brought to one length, to two classes.

    What stands in the vector of an unknown modality never changes an answer: it comes in as zeros.

    Args:
        width: length of each vector.
        modalities: number of vectors.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__()
        self.width = width
        self.modalities = modalities

    @abc.abstractmethod
    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """Logits (patients, 2) of labels 0 and 1.

        Args:
            vectors: (patients, modalities, width), zeros where a modality is unknown.
            known: (patients, modalities), 1 where a modality is known and 0 where it is not; at least one of each
                patient is.
        """

    def loss(self, vectors: Tensor, known: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Mean loss of the patients in training: the cross-entropy, unless the fusion has a loss of its own.

        Args:
            vectors: as in :meth:`logits`.
            known: as in :meth:`logits`.
            labels: (patients,) 0 or 1.
            label_smoothing: of the cross-entropy.
        """
        return nn.functional.cross_entropy(self.logits(vectors, known), labels, label_smoothing=label_smoothing)
