"""A ZIP archive written as it is sent: nothing is kept beyond one piece, and the same content gives the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PIECE = 256 * 1024
LONG_AGO = (1980, 1, 1, 0, 0, 0)
Member = tuple[str, Path | Iterable[bytes]]
"""A name in the archive, and a file or the pieces of its content."""


class Outlet(io.RawIOBase):
    """A file that cannot seek: what is written lies here until it is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._told = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        content = bytes(piece)  # type: ignore[call-overload]
        self._pieces.append(content)
        self._told += len(content)
        return len(content)

    def tell(self) -> int:
        """How many bytes were ever written here."""
        return self._told

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def archive(members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of a ZIP with these members, as they come to be. Text is compressed, pictures are not."""
    outlet = Outlet()
    with zipfile.ZipFile(outlet, "w", allowZip64=True) as out:  # type: ignore[arg-type]
        for name, source in members:
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(TEXTS) else zipfile.ZIP_STORED
            with out.open(entry, "w", force_zip64=True) as inside:
                for piece in _pieces(source):
                    inside.write(piece)
                    if taken := outlet.take():
                        yield taken
            yield outlet.take()
    yield outlet.take()


TEXTS = (".jsonl", ".json", ".md", ".txt", "SHA256SUMS")


def _pieces(source: Path | Iterable[bytes]) -> Iterator[bytes]:
    if not isinstance(source, Path):
        yield from source
        return
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
