"""What a simulated tile truly shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TileTruth:
    """What a simulated tile shows.

    Attributes:
        counts: number of nuclei whose centre lies in the tile, for every key of ``COUNTED_CELLS``.
        n_red_cells: number of red cells.
        n_mitoses: number of mitotic figures (they are counted as tumor cells too).
        n_gland_cells: number of nuclei of glandular epithelium.
        n_plasma_cells: number of lymphocytes that look like plasma cells.
        tissue_fraction: share of the tile's area that is tissue.
        descriptors: area shares of the tile, 0..1: ``stroma``, ``tumor``, ``well``, ``poor``, ``squamous``,
            ``necrosis``, ``muscle``, ``fat``, ``blood``, ``crushed``, ``keratin`` (pearls), ``gland``, ``vessel``.
        mpp: micrometres per pixel.
        size: side, in pixels.
    """

    counts: dict[str, int]
    n_red_cells: int
    n_mitoses: int
    n_gland_cells: int
    n_plasma_cells: int
    tissue_fraction: float
    descriptors: dict[str, float] = field(default_factory=dict)
    mpp: float = 0.5
    size: int = 256

    def per_mm2(self, cell: str) -> float:
        """Density of a counted cell over the tile's area."""
        return self.counts[cell] / (self.size * self.mpp * 1e-3) ** 2
