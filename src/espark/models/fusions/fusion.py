"""The contract of all fusions: one vector per modality and a flag for each known modality in, logits out."""

from __future__ import annotations

import abc

from torch import Tensor, nn


class Fusion(nn.Module, abc.ABC):
    """From the vectors of the modalities, all of one length, to two classes.

    The vector of an unknown modality contains only zeros.

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
            known: (patients, modalities), 1 for a known modality and 0 for an unknown one; each patient has at least
                one known modality.
        """

    def loss(self, vectors: Tensor, known: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Mean loss of the patients in training: the cross-entropy, unless the fusion defines a different loss.

        Args:
            vectors: as in :meth:`logits`.
            known: as in :meth:`logits`.
            labels: (patients,) 0 or 1.
            label_smoothing: label smoothing of the cross-entropy.
        """
        return nn.functional.cross_entropy(self.logits(vectors, known), labels, label_smoothing=label_smoothing)
