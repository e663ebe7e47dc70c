"""Groups of tiles that look alike, fitted on development tiles alone, and a map of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from espark.types import DoubleArray, FloatArray, IntArray

COUNTS = range(4, 11)
"""Numbers of clusters that are tried."""

_NEARLY_AS_CLEAR = 0.8

FEWEST_TILES = 200
FEWEST_PATIENTS = 10

_TILES_PER_PATIENT = 50
_SAMPLE = 6000
_JUDGED = 2000
_COMPONENTS = 20
_NEIGHBORS = 3
_PERPLEXITY = 30


@dataclass(frozen=True)
class TileClusters:
    """Clusters of tiles and the map on which they are shown.

    Attributes:
        mean: (dim,) mean of the development tiles.
        components: (components, dim) their principal components.
        centers: (clusters, components) in order of size, the largest first.
        silhouettes: by number of clusters, the mean silhouette.
        landmarks: (m, components) the development tiles that the map was made of.
        places: (m, 2) their places on the map.
        n_tiles: development tiles that were used.
        n_patients: development patients that they come from.
    """

    mean: FloatArray
    components: FloatArray
    centers: DoubleArray
    silhouettes: dict[int, float]
    landmarks: DoubleArray
    places: DoubleArray
    n_tiles: int
    n_patients: int

    def __len__(self) -> int:
        return len(self.centers)

    @classmethod
    def fit(cls, patients: Sequence[FloatArray], seed: int = 0) -> TileClusters | None:
        """Fit on development patients.

        At most 50 evenly spaced tiles per patient are used, so that no patient outweighs the others. The method is
        k-means in the space of their first 20 principal components. The number of clusters is the largest from 4 to 10
        with a mean silhouette (Rousseeuw, J Comput Appl Math 1987) of at least 0.8 of the best. The map is a t-SNE
        (van der Maaten and Hinton, JMLR 2008) of a seeded sample.

        Args:
            patients: (tiles, dim) of each patient.
            seed: seed of k-means and the map.

        Returns:
            None with fewer than 10 patients or 200 tiles.
        """
        parts = [tiles[_evenly(len(tiles), _TILES_PER_PATIENT)] for tiles in patients if len(tiles)]
        tiles = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
        if len(parts) < FEWEST_PATIENTS or len(tiles) < FEWEST_TILES:
            return None
        tiles = tiles[_evenly(len(tiles), _SAMPLE)]
        with threadpool_limits(limits=1):  # sums, and so bytes, must not depend on the number of cores
            pca = PCA(min(_COMPONENTS, tiles.shape[1]), svd_solver="full").fit(tiles.astype(np.float64))
            scores = pca.transform(tiles.astype(np.float64))
            judged = _evenly(len(scores), _JUDGED)
            fits = {k: KMeans(k, n_init=4, random_state=seed).fit(scores) for k in COUNTS}
            silhouettes = {k: float(silhouette_score(scores[judged], fit.labels_[judged])) for k, fit in fits.items()}
            best = fits[_finest(silhouettes)]
            perplexity = min(_PERPLEXITY, (len(judged) - 1) / 4)
            map_of = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1, max_iter=600)
            places = map_of.fit_transform(scores[judged])
        order = np.argsort(-np.bincount(best.labels_, minlength=best.n_clusters), kind="stable")
        return cls(
            pca.mean_.astype(np.float32), pca.components_.astype(np.float32), best.cluster_centers_[order],
            silhouettes, scores[judged], places.astype(np.float64), len(tiles), len(parts),
        )  # fmt: skip

    def scores(self, tiles: FloatArray) -> DoubleArray:
        """(tiles, components) from (tiles, dim)."""
        return np.asarray((tiles - self.mean).astype(np.float64) @ self.components.T.astype(np.float64))

    def assign(self, tiles: FloatArray) -> IntArray:
        """(tiles,) the cluster of each tile, counted from 0: the cluster with the nearest center."""
        return np.asarray(self.distances(tiles).argmin(axis=1), dtype=np.int64)

    def distances(self, tiles: FloatArray) -> DoubleArray:
        """(tiles, clusters) distance to every center."""
        scores = self.scores(tiles)
        squared = (scores**2).sum(axis=1)[:, None] - 2 * scores @ self.centers.T + (self.centers**2).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squared, 0)))

    def place(self, tiles: FloatArray) -> DoubleArray:
        """(tiles, 2) places of tiles on the map: the mean place of their three nearest landmarks."""
        near = NearestNeighbors(n_neighbors=min(_NEIGHBORS, len(self.landmarks)), n_jobs=1).fit(self.landmarks)
        return np.asarray(self.places[near.kneighbors(self.scores(tiles), return_distance=False)].mean(axis=1))


def _finest(silhouettes: Mapping[int, float]) -> int:
    """The largest number of clusters with a silhouette nearly as high as the highest."""
    limit = _NEARLY_AS_CLEAR * max(silhouettes.values())
    return max(count for count, value in silhouettes.items() if value >= limit)


def _evenly(n: int, most: int) -> IntArray:
    """At most ``most`` evenly spaced indices of ``n``."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)) if n else np.zeros(0, np.int64)


def cluster_profile(clusters: IntArray, evidence: DoubleArray, count: int) -> DoubleArray:
    """Mean evidence of each cell type in each cluster.

    Args:
        clusters: (tiles,) cluster of each development tile.
        evidence: (tiles, cell types) standardized similarity.
        count: number of clusters.

    Returns:
        (clusters, cell types) in SD of the development tiles; NaN for a cluster without a tile.
    """
    profile = np.full((count, evidence.shape[1]), np.nan)
    for cluster in range(count):
        own = clusters == cluster
        if own.any():
            profile[cluster] = evidence[own].mean(axis=0)
    return profile


def resembling(profile: DoubleArray, keys: Sequence[str], least: float = 0.25) -> tuple[str, ...]:
    """The cell type that each cluster resembles most.

    Args:
        profile: (clusters, cell types) of :func:`cluster_profile`.
        keys: of the cell types, in the order of the columns.
        least: mean evidence, in SD, below which a cluster resembles none.

    Returns:
        A key for each cluster; empty when it resembles no cell type.
    """
    found = []
    for row in np.nan_to_num(profile, nan=-np.inf):
        best = int(row.argmax()) if len(row) else -1
        found.append(keys[best] if best >= 0 and row[best] >= least else "")
    return tuple(found)
