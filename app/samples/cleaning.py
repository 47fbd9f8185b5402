"""Cleaning: a picture's file without its metadata, cut out byte by byte and never decoded.

What stays are the pixels, their colour profile and how the picture is turned; what goes are EXIF with its GPS place,
XMP, comments, embedded previews and whatever follows the picture's end.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from app.core.language import gettext as _
from app.samples.refusals import TruncatedImage, TwoFilesInOne

ORIENTATION = 0x0112
FOREIGN = re.compile(rb"PK\x03\x04|%PDF-|Rar!|\x7fELF|<\?php|<script|<html|<svg", re.IGNORECASE)
"""How an archive, a document or a program begins."""

NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Inside a JPEG's data: the first marker that is neither a stuffed byte nor a restart."""

PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"pHYs"}
WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}


class Cleaned(NamedTuple):
    """orientation: EXIF's number of how the stored pixels are turned, 1 for upright."""

    content: bytes
    orientation: int


def clean(content: bytes, kind: str, where: str) -> Cleaned:
    """The file of one picture without metadata. kind: JPEG, PNG, WEBP or GIF. Raises TruncatedImage, TwoFilesInOne."""
    walk = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "GIF": _gif}[kind]
    try:
        cleaned, end = walk(content)
    except (IndexError, struct.error, _Damage) as problem:
        raise TruncatedImage(_("The picture is cut off or damaged (%(problem)s).", problem=problem), where) from None
    if found := FOREIGN.search(content[end:]):
        raise TwoFilesInOne(
            _(
                "Behind the picture's end another file begins (%(decode)s).",
                decode=repr(found.group().decode("latin-1")),
            ),
            where,
        )
    return cleaned


class _Damage(Exception):
    """What a walk stumbles over."""


def _jpeg(content: bytes) -> tuple[Cleaned, int]:
    parts, place, orientation = [content[:2]], 2, 1
    while True:
        marker, body, place = _segment(content, place)
        if marker == 0xD9:
            break
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _orientation(body[6:])
        elif (kept := _kept_segment(marker, body)) is not None:
            parts.append(_jpeg_segment(marker, kept))
        if marker == 0xDA:
            found = NEXT_MARKER.search(content, place)
            if found is None:
                raise _Damage(_("its data do not end"))
            parts.append(content[place : found.start()])
            place = found.start()
    turned = [] if orientation == 1 else [_jpeg_segment(0xE1, b"Exif\0\0" + _exif(orientation))]
    return Cleaned(b"".join([parts[0], *turned, *parts[1:], b"\xff\xd9"]), orientation), place


def _segment(content: bytes, place: int) -> tuple[int, bytes, int]:
    """The segment at `place`: its marker, its body, and where it ends."""
    if content[place] != 0xFF:
        raise _Damage(_("a segment is missing"))
    while content[place + 1] == 0xFF:
        place += 1
    marker = content[place + 1]
    if marker == 0xD9 or 0xD0 <= marker <= 0xD7:
        return marker, b"", place + 2
    (length,) = struct.unpack_from(">H", content, place + 2)
    end = place + 2 + length
    if length < 2 or end > len(content):
        raise _Damage(_("a segment is cut off"))
    return marker, content[place + 4 : end], end


def _kept_segment(marker: int, body: bytes) -> bytes | None:
    """The body that stays of a segment; None where nothing does."""
    if marker == 0xE0:
        return body[:12] + b"\0\0" if body.startswith(b"JFIF\0") else None  # without the preview that it may hold
    if marker == 0xE2:
        return body if body.startswith(b"ICC_PROFILE\0") else None
    if marker == 0xEE:
        return body[:12] if body.startswith(b"Adobe") else None
    return None if 0xE0 <= marker <= 0xEF or marker == 0xFE or 0xD0 <= marker <= 0xD7 else body


def _jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _exif(orientation: int) -> bytes:
    """The smallest EXIF there is: one entry, which says how the picture is turned."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)


def _orientation(exif: bytes) -> int:
    found = Image.Exif()
    try:
        found.load(b"Exif\0\0" + exif)
        orientation = int(found.get(ORIENTATION, 1))
    except Exception:  # nothing that a stranger's EXIF makes of its reader is worth refusing the picture
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _png(content: bytes) -> tuple[Cleaned, int]:
    parts, orientation, end = [content[:8]], 1, 8
    for kind, body, whole in _png_chunks(content):
        end += len(whole)
        if kind == b"eXIf":
            orientation = _orientation(body)
        elif kind in PNG_KEPT:
            parts.append(whole)
    return Cleaned(b"".join(parts), orientation), end


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        if end > len(content):
            raise _Damage(_("a chunk is cut off"))
        body = content[place + 8 : end - 4]
        if struct.unpack_from(">I", content, end - 4)[0] != zlib.crc32(body, zlib.crc32(kind)):
            raise _Damage(_("the sum of a %(decode)s chunk is wrong", decode=kind.decode("latin-1")))
        yield kind, body, content[place:end]
        place = end


def _webp(content: bytes) -> tuple[Cleaned, int]:
    (length,) = struct.unpack_from("<I", content, 4)
    end, place, parts, orientation = 8 + length, 12, [], 1
    if end > len(content):
        raise _Damage(_("the file is shorter than it says"))
    while place + 8 <= end:
        kind, size = struct.unpack_from("<4sI", content, place)
        after = place + 8 + size + size % 2
        whole = content[place : min(after, end)]
        if len(whole) < 8 + size:
            raise _Damage(_("a chunk is cut off"))
        if kind == b"EXIF":
            orientation = _orientation(whole[8:].removeprefix(b"Exif\0\0"))
        elif kind == b"VP8X":
            parts.append(whole[:8] + bytes([whole[8] & ~0x0C]) + whole[9:])  # it says no more that EXIF or XMP follow
        elif kind in WEBP_KEPT:
            parts.append(whole)
        place = after
    body = b"WEBP" + b"".join(parts)
    return Cleaned(b"RIFF" + struct.pack("<I", len(body)) + body, orientation), end


def _gif(content: bytes) -> tuple[Cleaned, int]:
    place = 13 + _colours(content[10])
    parts = [content[:place]]
    while (sign := content[place]) != 0x3B:
        if sign == 0x2C:
            end = _sub_blocks(content, place + 11 + _colours(content[place + 9]))
            parts.append(content[place:end])
        elif sign == 0x21:
            end = _sub_blocks(content, place + 2)
            if content[place + 1] == 0xF9 or content[place + 3 : place + 14] == b"NETSCAPE2.0":
                parts.append(content[place:end])
        else:
            raise _Damage(_("a block is of no known kind"))
        place = end
    return Cleaned(b"".join([*parts, b";"]), 1), place + 1


def _colours(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(content: bytes, place: int) -> int:
    while size := content[place]:
        place += 1 + size
    return place + 1
