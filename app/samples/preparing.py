"""The confined process: reads one order from its standard input, decodes, writes files, answers with a line of JSON.

It sets its own limits before it opens anything. Never imported by the web: `app.samples.confined` starts it.
"""

from __future__ import annotations

import math
import os
import resource
import sys
from pathlib import Path
from typing import Any

import orjson

from app.core.errors import Refusal
from app.core.language import gettext as _
from app.samples.confined import MEMORY
from app.samples.refusals import TooCostly, TruncatedImage

CPU_SECONDS = 240
LARGEST_OUTPUT = 4 * 2**30
DISPLAY, THUMB, TILE = 1600, 320, 512
"""Longest side of the renditions, and the side of a tile, in pixels."""

TILED_FROM = 12_000_000
"""Pixels from which on a picture is cut into tiles."""


def confine() -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_OUTPUT, LARGEST_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    confine()
    order = orjson.loads(sys.stdin.buffer.read())
    source, target = Path(order["source"]), Path(order["target"])
    try:
        answer = _works()[order["work"]](source, target, order)
    except Refusal as refusal:
        answer = refusal.as_json()
    except MemoryError:
        answer = TooCostly(_("The file needs more memory than one file may have.")).as_json()
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")


def _works() -> dict[str, Any]:
    from app.samples import filming

    return {"convert": convert, "picture": picture, "probe": filming.probe, "video": filming.prepare}


def convert(source: Path, target: Path, order: dict[str, Any]) -> dict[str, Any]:
    """An upright PNG in sRGB, without metadata. By Pillow, which reads what vips does not."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # the limits are those of `app.samples.pictures` and of this process
    try:
        with Image.open(source) as image:
            upright = _as_srgb(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, EOFError) as problem:
        raise TruncatedImage(_("The picture is cut off or damaged (%(problem)s).", problem=problem)) from None
    clean = Image.frombytes(upright.mode, upright.size, upright.tobytes())  # pixels only
    clean.save(target, "PNG")
    return {"width": clean.width, "height": clean.height}


def _as_srgb(image: Any) -> Any:
    """Colours as the camera's profile meant them: the profile itself goes with the other metadata."""
    import io

    from PIL import ImageCms

    has_alpha = "A" in image.getbands() or "transparency" in image.info
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile says nothing about the colours
    return image.convert("RGBA" if has_alpha else "RGB")


def picture(source: Path, target: Path, order: dict[str, Any]) -> dict[str, Any]:
    """display.webp, thumb.webp and, for a large picture, tiles/LEVEL/COLUMN_ROW.jpg in the folder `target`.

    The picture streams through in strips: its size on disk or in pixels is not the process's size in memory.
    """
    import pyvips

    try:
        head = pyvips.Image.new_from_file(str(source), access="sequential")
        for name, side, quality in (("display", DISPLAY, 88), ("thumb", THUMB, 80)):
            small = pyvips.Image.thumbnail(
                str(source), side, height=side, size="down", output_profile="srgb", fail_on="truncated"
            )
            small.write_to_file(f"{target}/{name}.webp", Q=quality, keep="none")
        width, height = _upright(head)
        if width * height <= TILED_FROM:
            return {"width": width, "height": height, "levels": 0}
        _cut(pyvips, source, target)
    except pyvips.Error as problem:
        raise _damaged(problem) from None
    return {"width": width, "height": height, "levels": math.ceil(math.log2(max(width, height))), "tile": TILE}


def _cut(pyvips: Any, source: Path, target: Path) -> None:
    turned = _turned(pyvips.Image.new_from_file(str(source), access="sequential"))
    # A turned picture is not read from top to bottom, so it is unpacked to a file first, by vips itself.
    image = pyvips.Image.new_from_file(str(source), access="random" if turned else "sequential", fail_on="truncated")
    image = _in_srgb(image.autorot())
    if image.hasalpha():
        image = image.flatten(background=[255, 255, 255])
    image = _with_progress(image, target.with_suffix(".progress"))
    image.dzsave(f"{target}/tiles", tile_size=TILE, overlap=0, suffix=".jpg[Q=86]", keep="none")
    (target / "tiles_files").rename(target / "tiles")
    (target / "tiles.dzi").unlink()


def _with_progress(image: Any, file: Path) -> Any:
    """Every few percent are written down for whoever waits."""
    image = image.copy()
    image.set_progress(True)
    told = -5

    def tell(_: Any, progress: Any) -> None:
        nonlocal told
        if progress.percent >= told + 5:
            told = progress.percent
            file.write_text(str(told))

    image.signal_connect("eval", tell)
    return image


def _turned(image: Any) -> bool:
    return "orientation" in image.get_fields() and image.get("orientation") > 1


def _upright(image: Any) -> tuple[int, int]:
    on_its_side = "orientation" in image.get_fields() and image.get("orientation") >= 5
    return (image.height, image.width) if on_its_side else (image.width, image.height)


def _in_srgb(image: Any) -> Any:
    if "icc-profile-data" in image.get_fields():
        image = image.icc_transform("srgb", embedded=True)
    elif image.interpretation not in ("srgb", "b-w"):
        image = image.colourspace("srgb")
    return image.cast("uchar", shift=image.format == "ushort") if image.format != "uchar" else image


def _damaged(problem: Exception) -> TruncatedImage | TooCostly:
    words = " ".join(str(problem).split())
    if "memory" in words:
        return TooCostly(_("The file needs more memory than one file may have."))
    return TruncatedImage(_("The picture is cut off or damaged (%(words)s).", words=words[-200:]))


if __name__ == "__main__":
    main()
