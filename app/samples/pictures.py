"""Pictures: read with suspicion, by their heads alone, and kept without metadata."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from app.core.errors import Invalid
from app.core.language import gettext as _
from app.samples import confined
from app.samples.cleaning import clean
from app.samples.refusals import ImageTooLarge, NotAnImage, SvgRefused, TruncatedImage

LARGEST_FILE = 256 * 2**20
MOST_PIXELS = 400_000_000
LONGEST_SIDE = 40_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}

# Pillow's own bomb check would only warn up to twice its limit; ours refuses before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept: without metadata. Width and height are those of the upright picture."""

    content: bytes
    media_type: str
    width: int
    height: int


def read_picture(content: bytes, where: str) -> Picture:
    """One picture cleaned of everything but its pixels; `where` names the file in errors.

    What browsers do not show (TIFF, BMP, a turned PNG) is turned into an upright PNG by a confined process.
    Raises NotAnImage, SvgRefused, TwoFilesInOne, TruncatedImage, ImageTooLarge, TooCostly.
    """
    with open_picture(content, where) as image:
        kind, (width, height) = str(image.format), image.size
    if kind not in MEDIA_TYPES:
        return _converted(content, where)
    cleaned = clean(content, kind, where)
    if cleaned.orientation != 1 and kind != "JPEG":
        return _converted(content, where)
    if cleaned.orientation >= 5:
        width, height = height, width
    return Picture(cleaned.content, MEDIA_TYPES[kind], width, height)


def _converted(content: bytes, where: str) -> Picture:
    png = confined.convert(content, where)
    with Image.open(io.BytesIO(png)) as image:
        return Picture(png, "image/png", *image.size)


def open_picture(content: bytes, where: str) -> Image.Image:
    """The picture with only its head read, within the limits. Raises as `read_picture`, but cannot see damage."""
    if len(content) > LARGEST_FILE:
        raise ImageTooLarge(
            _(
                "The file has %(content)s bytes; at most %(largest_file)s are taken.",
                content=f"{len(content):,}",
                largest_file=f"{LARGEST_FILE:,}",
            ),
            where,
        )
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as problem:
        raise _why_unreadable(content, where, problem) from None
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise ImageTooLarge(
            _(
                "The picture says it has %(width)s × %(height)s pixels; "
                "at most %(most_pixels)s pixels and %(longest_side)s a side are taken.",
                width=f"{width:,}",
                height=f"{height:,}",
                most_pixels=f"{MOST_PIXELS:,}",
                longest_side=f"{LONGEST_SIDE:,}",
            ),
            where,
        )
    return image


def _why_unreadable(content: bytes, where: str, problem: Exception) -> Invalid:
    head = content[:2048].lstrip().lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype")) and b"<svg" in content[:65536].lower():
        return SvgRefused(_("This is an SVG document, which can carry scripts; export it as PNG."), where)
    if isinstance(problem, UnidentifiedImageError):
        return NotAnImage(_("This is no picture that we read (JPEG, PNG, WebP, GIF, BMP, TIFF)."), where)
    return TruncatedImage(_("The picture is cut off or damaged (%(problem)s).", problem=problem), where)
