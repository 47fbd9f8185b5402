"""Vectors onto a map of two dimensions: UMAP (McInnes, Healy, Melville 2018), or the two widest directions."""

from __future__ import annotations

import numpy as np

from ml.config import Cluster
from ml.encoders import Vectors
from ml.folder import RunFolder
from ml.grouping import BLOCK, Rows
from ml.vectors import blocks

FEWEST = 10
"""Points below which UMAP has no neighbourhoods to learn from."""


def place(folder: RunFolder, config: Cluster, vectors: Vectors, rows: Rows) -> Vectors:
    """(rows, 2), each direction within -1 and 1. UMAP learns from a draw; the others are placed on its map."""
    many = min(len(rows), config.layout_sample)
    drawn = np.sort(np.random.default_rng(config.seed).choice(len(rows), many, replace=False))
    if config.layout == "pca" or len(rows) < FEWEST:
        found = _widest(vectors, rows, drawn)
    else:
        found = _umap(folder, config, vectors, rows, drawn)
    low, high = found.min(axis=0), found.max(axis=0)
    return np.asarray(2 * (found - low) / np.maximum(high - low, 1e-9) - 1, np.float32)


def _umap(folder: RunFolder, config: Cluster, vectors: Vectors, rows: Rows, drawn: Rows) -> Vectors:
    from umap import UMAP

    model = UMAP(
        n_neighbors=min(config.neighbours, len(drawn) - 1),
        metric="cosine",
        init="pca",
        random_state=config.seed,
        n_jobs=1,
    )
    found = np.empty((len(rows), 2), np.float32)
    found[drawn] = model.fit_transform(np.ascontiguousarray(vectors[rows[drawn]]))
    rest = np.setdiff1d(np.arange(len(rows)), drawn)
    for block in blocks(rest, BLOCK):
        folder.halt()
        found[block] = model.transform(np.ascontiguousarray(vectors[rows[block]]))
        folder.progress("map", int(len(drawn) + np.searchsorted(rest, block[-1]) + 1), len(rows))
    return found


def _widest(vectors: Vectors, rows: Rows, drawn: Rows) -> Vectors:
    """The first two principal components."""
    known = np.asarray(vectors[rows[drawn]])
    middle = known.mean(axis=0)
    _, directions = np.linalg.eigh((known - middle).T @ (known - middle))
    plane = directions[:, -2:][:, ::-1]
    return np.concatenate([(vectors[block] - middle) @ plane for block in blocks(rows, BLOCK)]).astype(np.float32)
