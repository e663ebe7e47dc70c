"""Nuclei that look different in every piece of tissue: each block is fixed, cut and stained in its own way.

The virtual trial draws each kind of nucleus from one bank. An encoder that is fitted on that bank alone knows its
chromatin by heart. Here, each piece draws its own bank around the usual look of the kinds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from espark.simulate.histology.nuclei import Stamp, cut_stamps
from espark.simulate.histology.nuclei_drawing import MASTER_UM, draw_variants
from espark.simulate.histology.nuclei_kinds import KINDS, RED, Kind
from espark.types import FloatArray

_SHAPES = 2
_HALF_SOFT = 0.5
_LARGEST_DENSITY = 1.1


class VariedNuclei:
    """Stamps of one piece of tissue; see `espark.simulate.histology.nuclei.StampSource`.

    Args:
        rng: source of everything that varies.
        looks: kinds that look different from the usual in this piece, by name.
    """

    def __init__(self, rng: np.random.Generator, looks: dict[str, Kind]):
        self._rng = rng
        self._looks = looks
        self._stain = float(np.exp(rng.normal(-0.2, 0.3)))
        self._clumps = float(np.exp(rng.normal(0.6, 0.4)))
        self._rim = float(np.exp(rng.normal(0.0, 0.5)))
        self._opaque = float(rng.uniform(0.35, 1.0))
        self._soft_um = float(rng.uniform(0.0, 0.4))

    def __call__(self, kind: int, mpp: float) -> list[Stamp]:
        """All variants of a kind at a resolution."""
        drawn = draw_variants(self._look(kind), self._rng, _SHAPES)
        return cut_stamps(kind, self._seen_through(drawn, kind), mpp)

    def _look(self, index: int) -> Kind:
        """The kind as it looks in this piece."""
        kind, rng = self._looks.get(KINDS[index].name, KINDS[index]), self._rng
        if kind.form in ("red", "goblet", "dust"):
            return kind
        slim = float(np.exp(rng.normal(0.06, 0.08)))
        size, hematoxylin, eosin = np.exp(rng.normal(0.0, (0.08, 0.10, 0.25)))
        body_h, body_e = kind.cytoplasm_stain
        return replace(
            kind,
            length=kind.length * float(size) * slim,
            width=kind.width * float(size) / slim,
            spread=min(kind.spread * float(np.exp(rng.uniform(0.0, 0.9))), 0.30),
            density=min(kind.density * float(hematoxylin) * self._stain, _LARGEST_DENSITY),
            texture=min(kind.texture * self._clumps, 0.9),
            grain=kind.grain * float(np.exp(rng.normal(0.15, 0.3))),
            membrane=min(kind.membrane * self._rim, 0.5),
            nucleolus=kind.nucleolus * float(np.exp(rng.normal(0.0, 0.4))),
            irregular=kind.irregular * float(np.exp(rng.normal(0.3, 0.4))),
            cytoplasm_stain=(body_h * float(eosin), body_e * float(eosin)),
            eosin=kind.eosin * float(eosin),
        )

    def _seen_through(self, drawn: tuple[FloatArray, ...], kind: int) -> tuple[FloatArray, ...]:
        """A section is thicker than a nucleus: what lies below shines through, and some nuclei are out of focus."""
        hematoxylin, other, keep = drawn
        if kind != RED:
            keep = 1 - (1 - keep) * np.float32(self._opaque)
        soft = self._rng.random(len(keep)) < _HALF_SOFT
        sigma = self._soft_um / MASTER_UM
        if sigma > 0.3 and soft.any():
            for part in (hematoxylin, other, keep):
                edge = "nearest" if part is keep else "constant"
                part[soft] = ndimage.gaussian_filter(part[soft], (0, sigma, sigma), mode=edge, truncate=2.5)
        return hematoxylin, other, keep
