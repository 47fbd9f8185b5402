"""What a frozen vision encoder says of pictures, kept on disk by content for later runs, within a bound.

Kept in `features/` of the folder that ML_CACHE names (else ~/.cache/assay), a safetensors file a sample, named by a
hash of everything that decides it: the model's files, the pictures, and how they are shrunk. A file's time is that of
its last use; the least recently used go first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ml.features import Deep, named, unnamed


class Shelf:
    """Several processes may use one folder: files appear whole, and one that another removed is made anew."""

    def __init__(self, folder: Path, room: int) -> None:
        self.folder = folder
        self.room = room
        """Bytes of all files together."""
        folder.mkdir(parents=True, exist_ok=True)
        self._used = self._measured()

    def get(self, key: str, device: torch.device) -> Any:
        """The features of that name, in the shape in which they were put; None where they are not."""
        path = self._path(key)
        try:
            found = load_file(path, str(device))
            os.utime(path)
        except (OSError, SafetensorError):
            return None
        return unnamed(found)

    def put(self, key: str, features: Tensor | list[Tensor] | tuple[Tensor, ...] | Deep) -> None:
        path = self._path(key)
        aside = path.with_name(f"{path.name}.{os.getpid()}.aside")
        save_file(named(features), aside)
        self._used += aside.stat().st_size
        aside.replace(path)
        if self._used > self.room:
            self._make_room()

    def _make_room(self) -> None:
        """Remove what was used longest ago, a tenth more than has to go, so that not every put looks at all files."""
        files = sorted(self._files(), key=lambda each: each[0])
        self._used = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._used <= self.room * 0.9:
                break
            path.unlink(missing_ok=True)
            self._used -= size

    def _measured(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _files(self) -> list[tuple[int, int, Path]]:
        """Time of last use (ns), size and path of each."""
        found = []
        for path in self.folder.glob("*.safetensors"):
            try:
                told = path.stat()
            except FileNotFoundError:
                continue
            found.append((told.st_mtime_ns, told.st_size, path))
        return found

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"
