"""Pictures: read with suspicion, kept re-encoded without metadata, shown in two smaller sizes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from app.core import storage
from app.core.errors import Invalid

LARGEST_FILE = 64 * 2**20
MOST_PIXELS = 64_000_000
LONGEST_SIDE = 20_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SIZES = {"display": 1600, "thumb": 320}
"""Longest side, in pixels, of the renditions."""

# Pillow's own bomb check would only warn up to twice its limit; ours refuses before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


class NotAnImage(Invalid):
    """A file whose content is no picture that we read (JPEG, PNG, WebP, GIF, BMP, TIFF)."""


class SvgRefused(NotAnImage):
    """An SVG: a document that can carry scripts, not a picture."""


class TruncatedImage(Invalid):
    """A picture whose data end too early or are damaged."""


class ImageTooLarge(Invalid):
    """A file, or a pixel count in its head, beyond what anybody can look at."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept: upright, without metadata."""

    content: bytes
    media_type: str
    width: int
    height: int


def read_picture(content: bytes, where: str) -> Picture:
    """Decode and re-encode one picture; `where` names the file in errors.

    Raises NotAnImage, SvgRefused, TruncatedImage, ImageTooLarge.
    """
    with open_picture(content, where) as image:
        try:
            image.load()
            upright = _in_srgb(ImageOps.exif_transpose(image))
        except (OSError, SyntaxError, ValueError, EOFError) as problem:
            raise TruncatedImage(f"The picture is cut off or damaged ({problem}).", where) from None
        return _encode(upright, lossless=image.format in ("PNG", "GIF", "BMP"))


def open_picture(content: bytes, where: str) -> Image.Image:
    """The picture with only its head read, within the limits. Raises as `read_picture`, but cannot see damage."""
    if len(content) > LARGEST_FILE:
        raise ImageTooLarge(f"The file has {len(content):,} bytes; at most {LARGEST_FILE:,} are taken.", where)
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as problem:
        raise _why_unreadable(content, where, problem) from None
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise ImageTooLarge(
            f"The picture says it has {width:,} × {height:,} pixels; at most {MOST_PIXELS:,} pixels "
            f"and {LONGEST_SIDE:,} a side are taken.",
            where,
        )
    return image


def _why_unreadable(content: bytes, where: str, problem: Exception) -> Invalid:
    head = content[:2048].lstrip().lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype")) and b"<svg" in content[:65536].lower():
        return SvgRefused("This is an SVG document, which can carry scripts; export it as PNG.", where)
    if isinstance(problem, UnidentifiedImageError):
        return NotAnImage("This is no picture that we read (JPEG, PNG, WebP, GIF, BMP, TIFF).", where)
    return TruncatedImage(f"The picture is cut off or damaged ({problem}).", where)


def _in_srgb(image: Image.Image) -> Image.Image:
    """Colours as the camera's profile meant them: the profile itself goes with the other metadata."""
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return converted or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile says nothing about the colours
    return image.convert("RGBA" if has_alpha else "RGB")


def _encode(image: Image.Image, lossless: bool) -> Picture:
    buffer = io.BytesIO()
    clean = Image.frombytes(image.mode, image.size, image.tobytes())  # pixels only: no EXIF, comments or profiles
    if lossless or image.mode == "RGBA":
        clean.save(buffer, "PNG")
        return Picture(buffer.getvalue(), "image/png", *image.size)
    clean.save(buffer, "JPEG", quality=95, subsampling=0)
    return Picture(buffer.getvalue(), "image/jpeg", *image.size)


def rendition(blob_sha256: str, size: str) -> Path:
    """The file of a kept picture in a smaller size; made at the first request and kept beside its blob.

    size: "display" or "thumb". A picture that is small enough already is its own rendition.
    """
    original, longest = storage.blob_path(blob_sha256), SIZES[size]
    small = original.with_name(f"{original.name}.{size}.webp")
    if small.exists():
        return small
    with Image.open(original) as image:
        if max(image.size) <= longest:
            return original
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=90 if size == "display" else 80)
    storage.write_whole(small, buffer.getvalue())
    return small
