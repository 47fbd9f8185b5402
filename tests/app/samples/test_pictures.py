"""Pictures on their way in: nothing is kept of them but what is seen, and what is hostile is refused by its name."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image, ImageOps, PngImagePlugin

from app.core.errors import Invalid
from app.samples.pictures import LARGEST_FILE, read_picture
from tests import cast

GPS, ORIENTATION = 0x8825, 0x0112


def photograph(kind: str, orientation: int = 1, size: tuple[int, int] = (90, 40)) -> bytes:
    """As a telephone leaves it: with its place, its maker, a comment, and a red corner at the top left."""
    image = Image.new("RGB", size, "white")
    image.paste("red", (0, 0, 30, 20))
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = orientation, "Secret Camera"
    exif.get_ifd(GPS).update({1: "N", 2: (48.0, 51.0, 29.0)})
    buffer = io.BytesIO()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "Secret Comment")
    more = {"PNG": {"pnginfo": text}, "JPEG": {"comment": b"Secret Comment", "quality": 95}}.get(kind, {})
    image.save(buffer, kind, exif=exif.tobytes(), xmp=b"<x:xmpmeta>Secret XMP</x:xmpmeta>", **more)
    return buffer.getvalue()


def upright(content: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_loses_its_place_and_keeps_its_look(kind: str, orientation: int) -> None:
    content = photograph(kind, orientation)
    kept = read_picture(content, "photo")
    exif = Image.open(io.BytesIO(kept.content)).getexif()
    assert b"Secret" not in kept.content
    assert GPS not in exif
    assert set(exif) <= {ORIENTATION}
    before, after = upright(content), upright(kept.content)
    assert (kept.width, kept.height) == before.size == after.size
    places = [(5, 5), (before.width - 6, 5), (5, before.height - 6), (before.width - 6, before.height - 6)]
    assert all(_near(before.getpixel(place), after.getpixel(place)) for place in places)


def _near(one: object, other: object) -> bool:
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))  # type: ignore[call-overload]


def test_a_jpeg_is_not_encoded_anew() -> None:
    """Its data stay byte for byte: no decoding, no second loss."""
    content = photograph("JPEG")
    data = content[content.index(b"\xff\xda") :]
    assert read_picture(content, "photo").content.endswith(data)


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF"])
def test_what_browsers_do_not_show_well_is_still_taken(kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, kind)
    kept = read_picture(buffer.getvalue(), "old")
    assert kept.media_type == ("image/gif" if kind == "GIF" else "image/png")
    assert upright(kept.content).getpixel((20, 15)) == (254, 0, 0) or _near(
        upright(kept.content).getpixel((20, 15)), (255, 0, 0)
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


JPEG = cast.picture(size=(640, 480))
HOSTILE = {
    "a bomb": (png(60_000, 60_000), "ImageTooLarge"),
    "a strip without end": (png(100_000, 1), "ImageTooLarge"),
    "a cut JPEG": (JPEG[:2000], "TruncatedImage"),
    "a JPEG without its end": (JPEG[:-2], "TruncatedImage"),
    "a cut PNG": (png(9, 9, b"x" * 999)[:-20], "TruncatedImage"),
    "a PNG with a wrong sum": (png(9, 9)[:-1] + b"\0", "TruncatedImage"),
    "a cut WebP": (photograph("WEBP")[:-40], "TruncatedImage"),
    "an SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SvgRefused"),
    "a page": (b"<html><script>alert(1)</script></html>", "NotAnImage"),
    "nothing": (b"", "NotAnImage"),
    "a JPEG that is an archive": (JPEG + b"PK\x03\x04" + b"\0" * 60, "TwoFilesInOne"),
    "a PNG that is a page": (png(9, 9) + b"<html><script>alert(1)</script>", "TwoFilesInOne"),
    "a GIF that is a script": (b"GIF89a=1;alert(1)//" + b"x" * 60, "NotAnImage"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_by_its_name(name: str) -> None:
    content, error = HOSTILE[name]
    with pytest.raises(Invalid) as refusal:
        read_picture(content, "it.jpg")
    assert (refusal.value.name, refusal.value.where) == (error, "it.jpg")


def test_a_file_beyond_the_limit_is_not_even_looked_at() -> None:
    with pytest.raises(Invalid) as refusal:
        read_picture(bytes(LARGEST_FILE + 1), "it.jpg")
    assert refusal.value.name == "ImageTooLarge"


def test_damage_anywhere_gives_a_picture_or_a_named_refusal() -> None:
    """Bytes changed and cut at random, the same ones each time."""
    dice = random.Random(7)
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = photograph(kind, 6 if kind == "JPEG" else 1)  # what needs turning starts a process each time
        for _ in range(120):
            content = bytearray(whole[: dice.randrange(len(whole))] if dice.random() < 0.5 else whole)
            for _ in range(3):
                if content:
                    content[dice.randrange(len(content))] = dice.randrange(256)
            try:
                kept = read_picture(bytes(content), "it")
            except Invalid:
                continue
            assert b"Secret XMP" not in kept.content
