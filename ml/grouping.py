"""k-means over a memory-mapped file of vectors, and the near-duplicates among them. Only a block is in memory."""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from ml.encoders import Vectors
from ml.vectors import blocks

BLOCK = 65_536
"""Vectors that are read at once."""
COMPARED = 1024
"""Vectors that are compared with a whole cluster at once."""
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Centres:
    """What k-means learnt from a draw of the vectors."""

    places: Vectors
    """(clusters, width)"""
    inertia: list[float]
    """After each round, a vector: the mean squared distance to the nearest centre over the draw."""


@dataclass(frozen=True)
class Parted:
    """Every row's nearest centre and the one after it, -1 where there is only one."""

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    distance: Vectors
    """Squared, to the nearest centre."""

    @property
    def inertia(self) -> float:
        """The mean squared distance to the nearest centre, over all rows."""
        return float(self.distance.mean(dtype=np.float64))


def learn(vectors: Vectors, rows: Rows, clusters: int, iterations: int, per_cluster: int, seed: int) -> Centres:
    """k-means (Lloyd's) by faiss over at most `clusters · per_cluster` of the rows, drawn without repetition."""
    many = min(len(rows), clusters * per_cluster)
    drawn = rows if many == len(rows) else np.sort(np.random.default_rng(seed).choice(rows, many, replace=False))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=iterations,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=per_cluster,
    )
    kmeans.train(np.ascontiguousarray(vectors[drawn], np.float32))
    return Centres(np.asarray(kmeans.centroids, np.float32), [float(each) / many for each in np.asarray(kmeans.obj)])


def part(vectors: Vectors, rows: Rows, centres: Centres) -> Parted:
    """Assign every row to its nearest centre, a block at a time."""
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(centres.places)
    wanted = min(2, len(centres.places))
    found = Parted(np.empty(len(rows), np.int32), np.full(len(rows), -1, np.int32), np.empty(len(rows), np.float32))
    start = 0
    for block in blocks(rows, BLOCK):
        distances, nearest = index.search(np.ascontiguousarray(vectors[block]), wanted)
        place = slice(start, start + len(block))
        found.first[place], found.distance[place] = nearest[:, 0], np.maximum(distances[:, 0], 0)
        if wanted == 2:
            found.second[place] = nearest[:, 1]
        start += len(block)
    return found


def near_duplicates(vectors: Vectors, rows: Rows, parted: Parted, threshold: float) -> dict[int, tuple[int, float]]:
    """Row → an earlier row whose cosine with it is at least the threshold, and the cosine. Vectors have length 1.

    Each row is compared with the rows of its own cluster and of the one that is next to it, so that pictures on both
    sides of a border meet, without comparing all with all.
    """
    found: dict[int, tuple[int, float]] = {}
    for cluster in range(int(parted.first.max(initial=-1)) + 1):
        members = rows[parted.first == cluster]
        if not len(members):
            continue
        beside = np.ascontiguousarray(vectors[members])
        asking = rows[(parted.first == cluster) | (parted.second == cluster)]
        for block in blocks(asking, COMPARED):
            _compare(vectors, block, members, beside, threshold, found)
    return found


def _compare(
    vectors: Vectors, block: Rows, members: Rows, beside: Vectors, threshold: float, found: dict[int, tuple[int, float]]
) -> None:
    cosines = vectors[block] @ beside.T
    # Rounding leaves a picture's cosine with its own copy a hair below 1.
    cosines[(cosines < threshold - 1e-6) | (members[None, :] >= block[:, None])] = -2
    best = cosines.argmax(axis=1)
    for row, place, cosine in zip(block, best, cosines[np.arange(len(block)), best], strict=True):
        if cosine > -2 and float(cosine) > found.get(int(row), (0, -2.0))[1]:
            found[int(row)] = (int(members[place]), min(1.0, float(cosine)))
