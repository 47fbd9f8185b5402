"""Pictures as the processor wants them: decoded whole, upright, RGB, no larger than asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ml.data import Medium, Sample
from ml.errors import BadImage

LARGEST = 100_000_000
"""Pixels of the largest picture that is decoded at all; checked before decoding, since bombs are small files."""

LONGEST = 200
"""Times that a picture's long side may be its short one: beyond it processors that keep the form refuse it."""

_PLUGINS = (JpegImagePlugin, PngImagePlugin, WebPImagePlugin, GifImagePlugin, BmpImagePlugin, TiffImagePlugin)
"""Imported, these are known to Pillow, which else imports all of its sixty at the first picture."""

FORMATS = tuple(each.__name__.removeprefix("PIL.").removesuffix("ImagePlugin").upper() for each in _PLUGINS)


def check(samples: Iterable[Sample]) -> None:
    """Read every picture's header, so that a bad one is named before the model is loaded."""
    for path in {medium.path for sample in samples for medium in sample.media}:
        _opened(path).close()


def load(path: Path, max_pixels: int) -> Image.Image:
    """The picture, shrunk to max_pixels. Raises BadImage where it is truncated, hostile or no picture."""
    with _opened(path) as picture:
        try:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise BadImage(f"{_name(path)} cannot be decoded: {error}") from None
    scale = math.sqrt(max_pixels / (upright.width * upright.height))
    if scale >= 1:
        return upright
    size = (max(1, int(upright.width * scale)), max(1, int(upright.height * scale)))
    return upright.resize(size, Image.Resampling.BICUBIC)


def of_sample(sample: Sample, max_pixels: int, max_frames: int) -> list[Image.Image]:
    """The sample's images, or its video as at most max_frames evenly spaced frames."""
    images = [each for each in sample.media if each.kind != "frame"]
    frames = evenly([each for each in sample.media if each.kind == "frame"], max_frames)
    return [load(each.path, max_pixels) for each in [*images, *frames]]


def evenly(items: Sequence[Medium], most: int) -> list[Medium]:
    """At most that many items, from the first to the last."""
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[0]]
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _opened(path: Path) -> Image.Image:
    try:
        picture = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise BadImage(f"{_name(path)} is no picture of a known format ({', '.join(FORMATS)})") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImage(f"{_name(path)} cannot be read: {error}") from None
    width, height = picture.size
    if width * height > LARGEST:
        picture.close()
        raise BadImage(f"{_name(path)} has {width} × {height} pixels; at most {LARGEST} are decoded")
    if max(width, height) >= LONGEST * min(width, height):
        picture.close()
        raise BadImage(f"{_name(path)} is {width} × {height} pixels; a side is at most {LONGEST} times the other")
    return picture


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
