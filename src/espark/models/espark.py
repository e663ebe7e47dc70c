"""eSPARK: fusion of the CT vector, the slide vector and, if requested, the clinical values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator
from espark.models.fusions.build import build_fusion


class ESparkNet(nn.Module):
    """The vectors of the modalities, projected to one length and fused to two classes.

    A missing modality enters as a zero vector, and a flag informs the fusion. Modality dropout in training prepares the
    network for missing modalities.

    Args:
        slide_branch: CytoPath with any aggregator. Its slide vector is fused; its own head is not trained further.
        hidden: length of the slide vector.
        ct_width: length of the CT vector.
        projection: common length of the projected vectors.
        modality_dropout: probability, in training, that one of two known image modalities is hidden, and that the
            clinical values are hidden.
        fusion: a name in `espark.models.fusions.catalogue.FUSIONS`.
        clinical: length of the encoded clinical values; None when they are not used.
    """

    def __init__(
        self,
        slide_branch: Aggregator,
        *,
        hidden: int = 256,
        ct_width: int = 192,
        projection: int = 128,
        modality_dropout: float = 0.2,
        fusion: str = "concatenation",
        clinical: int | None = None,
    ):
        super().__init__()
        self.modality_dropout = modality_dropout
        self.slide_branch = slide_branch
        self.slide_projection = nn.Linear(hidden, projection)
        self.ct_branch = nn.Sequential(nn.Linear(ct_width, ct_width), nn.Sigmoid(), nn.Linear(ct_width, projection))
        self.fusion = build_fusion(fusion, projection, 2 if clinical is None else 3)
        self.clinical_projection = None if clinical is None else nn.Linear(clinical, projection)
        for part in (self.slide_projection, self.ct_branch, self.fusion, self.clinical_projection):
            if part is not None:
                part.apply(_xavier)

    def forward(self, ct: Tensor, tiles: Tensor, mask: Tensor, known: Tensor, clinical: Tensor | None = None) -> Tensor:
        """Logits (patients, 2) of labels 0 and 1.

        Args:
            ct: (patients, ct_width), the CT vector of MScaleCT.
            tiles: (patients, tiles, features).
            mask: (patients, tiles), False on padding.
            known: (patients, 2), whether CT and slides are known; (patients, 3) when clinical values are used.
            clinical: (patients, encoded values), when they are used.
        """
        slide, _ = self.slide_branch.embed(tiles, mask)
        return self.fuse(ct, slide, known, clinical)

    def fuse(self, ct: Tensor, slide: Tensor, known: Tensor, clinical: Tensor | None = None) -> Tensor:
        """Logits (patients, 2) from the CT vector (patients, ct_width), slide vector (patients, hidden) and more.

        The other arguments are the same as in :meth:`forward`.
        """
        return self.fusion.logits(*self._vectors(ct, slide, known, clinical))

    def loss(
        self,
        ct: Tensor,
        tiles: Tensor,
        mask: Tensor,
        known: Tensor,
        clinical: Tensor | None,
        labels: Tensor,
        label_smoothing: float,
    ) -> Tensor:
        """Mean loss of the patients in training, which the fusion defines.

        Args:
            ct: as in :meth:`forward`, like ``tiles``, ``mask``, ``known`` and ``clinical``.
            tiles: as above.
            mask: as above.
            known: as above.
            clinical: as above.
            labels: (patients,) 0 or 1.
            label_smoothing: label smoothing of the cross-entropy.
        """
        slide, _ = self.slide_branch.embed(tiles, mask)
        return self.loss_of_vectors(ct, slide, known, clinical, labels, label_smoothing)

    def loss_of_vectors(
        self,
        ct: Tensor,
        slide: Tensor,
        known: Tensor,
        clinical: Tensor | None,
        labels: Tensor,
        label_smoothing: float,
    ) -> Tensor:
        """The same loss from slide vectors (patients, hidden), for a slide branch that is not trained."""
        return self.fusion.loss(*self._vectors(ct, slide, known, clinical), labels, label_smoothing)

    def _vectors(self, ct: Tensor, slide: Tensor, known: Tensor, clinical: Tensor | None) -> tuple[Tensor, Tensor]:
        """Vectors (patients, modalities, projection), zeros where unknown or hidden, and the flags of those used."""
        known = known.to(ct.dtype)
        if self.training and self.modality_dropout > 0:
            known = self._hide(known)
        parts = [self.ct_branch(ct), self.slide_projection(slide)]
        if self.clinical_projection is not None:
            parts.append(self.clinical_projection(clinical))
        return torch.stack(parts, dim=1) * known[..., None], known

    def _hide(self, known: Tensor) -> Tensor:
        """Hide one of two known images, and clinical values when an image is known."""
        images = known[:, :2]
        both = images.sum(dim=1, keepdim=True) == 2
        hide = (torch.rand_like(images[:, :1]) < self.modality_dropout) & both
        which = (torch.rand_like(images[:, :1]) < 0.5).to(known.dtype)
        images = torch.where(hide, torch.cat([which, 1 - which], dim=1), images)
        if self.clinical_projection is None:
            return images
        shown = (torch.rand_like(known[:, 2:]) >= self.modality_dropout).to(known.dtype)
        return torch.cat([images, known[:, 2:] * shown], dim=1)


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
