"""k-means over a file of vectors: time, memory, and how near sklearn's full k-means on a part of them it comes.

python -m benchmarks.clustering [--vectors 1000000] [--width 512] [--clusters 100] [--part 50000]

The vectors are drawn around three times as many middles as there are clusters, so that no parting is the obvious one.
What is measured is what the recipe does: learn the centres from a draw, then assign every vector of the memory-mapped
file. Ten million are extrapolated: the draw's size does not depend on how many there are, assignment is linear.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from benchmarks.measuring import machine
from ml import grouping
from ml.config import Cluster
from ml.encoders import Vectors
from ml.vectors import blocks


def main() -> None:
    asked = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        vectors = _drawn(Path(scratch) / "vectors.npy", asked.vectors, asked.width, 3 * asked.clusters)
        found = _measured(vectors, asked.clusters)
        found |= _quality(vectors, asked.clusters, asked.part)
    found["extrapolated_10m_seconds"] = found["learn_seconds"] + found["assign_seconds"] * 1e7 / asked.vectors
    for name, value in found.items():
        print(f"{name:28} {value:12,.3f}")
    print(json.dumps({"benchmark": "clustering", **vars(asked), **found, "machine": machine()}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"vectors": 1_000_000, "width": 512, "clusters": 100, "part": 50_000}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def _drawn(path: Path, many: int, width: int, middles: int) -> Vectors:
    """Vectors of length 1 in a file, made a block at a time."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(middles, width)).astype(np.float32)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (many, width))
    for rows in blocks(np.arange(many), grouping.BLOCK):
        made = centres[random.integers(0, middles, len(rows))] + random.normal(size=(len(rows), width))
        file[rows] = made / np.linalg.norm(made, axis=1, keepdims=True)
    file.flush()
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _measured(vectors: Vectors, clusters: int) -> dict[str, Any]:
    config, rows = Cluster(), np.arange(len(vectors))
    before = _peak_mib()
    began = time.perf_counter()
    centres = grouping.learn(vectors, rows, clusters, config.iterations, config.points_per_cluster, 0)
    learnt = time.perf_counter()
    parted = grouping.part(vectors, rows, centres)
    ended = time.perf_counter()
    return {
        "learn_seconds": learnt - began,
        "assign_seconds": ended - learnt,
        "seconds": ended - began,
        "inertia": parted.inertia,
        "grown_mib": _peak_mib() - before,
        "block_mib": grouping.BLOCK * vectors.shape[1] * 4 / 2**20,
    }


def _quality(vectors: Vectors, clusters: int, part: int) -> dict[str, Any]:
    """Mean squared distances over the same part, each method having learnt from that part alone."""
    some = np.array(vectors[: min(part, len(vectors))])
    rows = np.arange(len(some))
    centres = grouping.learn(some, rows, clusters, Cluster().iterations, Cluster().points_per_cluster, 0)
    ours = grouping.part(some, rows, centres).inertia
    began = time.perf_counter()
    full = KMeans(clusters, n_init=1, random_state=0).fit(some).inertia_ / len(some)
    return {
        "part_inertia": ours,
        "part_inertia_sklearn": full,
        "part_ratio": ours / full,
        "sklearn_part_seconds": time.perf_counter() - began,
    }


def _peak_mib() -> float:
    """The most that this process ever held; pages of the mapped file count while they are resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
