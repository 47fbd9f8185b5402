"""Vectors in a memory-mapped file beside a note of which are done: what was encoded is not encoded again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml import fence
from ml.encoders import Vectors

WAITING, DONE, UNREADABLE = 0, 1, 2


class VectorFile:
    """`vectors.npy` (rows, width) float32 and `done.npy` (rows) in one folder, both mapped into memory.

    Several processes may write to it, each its own rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vectors: Vectors = np.lib.format.open_memmap(folder / "vectors.npy", "r+")
        self.states: npt.NDArray[np.uint8] = np.lib.format.open_memmap(folder / "done.npy", "r+")

    def waiting(self, rank: int, world: int) -> npt.NDArray[np.int64]:
        """The rows that this process of `world` has still to encode."""
        return np.flatnonzero(np.asarray(self.states[rank::world]) == WAITING) * world + rank

    def keep(self, rows: Sequence[int], vectors: Vectors) -> None:
        """Vectors first, then that they are done: a kill between the two costs the batch, never a wrong row."""
        if not len(rows):
            return
        with fence.held(self.folder):
            self.vectors[rows] = vectors
            self.vectors.flush()  # type: ignore[attr-defined]
            self.states[rows] = DONE
            self.states.flush()  # type: ignore[attr-defined]

    def lose(self, row: int) -> None:
        self.states[row] = UNREADABLE

    def count(self) -> int:
        """Rows that need nothing more."""
        return int(np.count_nonzero(self.states))


def lay(folder: Path, pictures: Sequence[str], encoder: str, width: int) -> None:
    """Make the two files, unless they are there for the same pictures in the same order, by the same encoder."""
    about = {"encoder": encoder, "width": width, "pictures": hashlib.sha256("\n".join(pictures).encode()).hexdigest()}
    path = folder / "about.json"
    if path.is_file() and json.loads(path.read_text()) == about:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (len(pictures), width)).flush()
    np.lib.format.open_memmap(folder / "done.npy", "w+", np.uint8, (len(pictures),)).flush()
    path.write_text(json.dumps(about))


def blocks(rows: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    """The rows, at most `size` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
