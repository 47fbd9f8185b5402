"""Finding: the files that a line names, none of them outside of the media folder, and pictures that it carries."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.core import storage
from app.core.language import gettext as _
from app.samples.confined import EMBEDDED
from app.samples.keeping import keep_picture
from app.samples.mapping import Mapping
from app.samples.schemas import SampleLine
from app.samples.sources import BadLine

MOST_FRAMES = 64
PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
TOLD = 80
"""Characters of a name that a fault tells: names can be as long as the line."""


@dataclass(frozen=True)
class Plan:
    """How records are read: the folders of their media and of pictures within rows, their shape and columns."""

    media: Path
    aside: Path
    shape: str = "assay"
    mapping: Mapping = field(default_factory=dict)
    real: Callable[[str], str] = field(default_factory=lambda: lru_cache(256)(os.path.realpath), compare=False)
    """Where a folder's path leads, all links followed: many lines name files of few folders."""
    keep: Callable[[Path, str], dict[str, Any]] = field(
        default_factory=lambda: lru_cache(4096)(keep_picture), compare=False
    )
    """Keeps a picture, given with its sum: many lines ask about the same few."""


def files_of(line: SampleLine, plan: Plan) -> list[Path]:
    """The video's file, if it is one, and the pictures or frames. Raises BadLine."""
    if line.has_video_file:
        return [_named(str(line.video), plan, "video"), *_frames(line.frames or [], plan, "frames")]
    if line.video:
        return _frames(line.video, plan, "video")
    if line.image:
        return [_named(line.image, plan, "image")]
    return [_named(name, plan, "images") for name in line.images]


def _named(name: str, plan: Plan, place: str) -> Path:
    if name.startswith("data:"):
        name = EMBEDDED + _carried(name, plan, place)
    path = _inside(plan, name, place)
    if os.path.isfile(path):  # which a name that is too long for the system does not upset
        return path
    if name.startswith(("http://", "https://")):
        raise BadLine(_("Nothing is fetched from “%(name)s”: put the file among the media.", name=name[:TOLD]), place)
    raise BadLine(_("There is no file “%(name)s” among the media.", name=name[:TOLD]), place)


def _carried(address: str, plan: Plan, place: str) -> str:
    """The name of the file that now holds what a data: address carried, as exports of other platforms have them."""
    head, comma, body = address.partition(",")
    try:
        if not comma or not head.endswith(";base64"):
            raise ValueError
        content = base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error):
        raise BadLine(_("The data: address is not one of base64, or is cut off."), place) from None
    name = hashlib.sha256(content).hexdigest()
    storage.write_whole(plan.aside / name, content)
    return name


def _inside(plan: Plan, name: str, place: str) -> Path:
    """The path, which may leave the media folder neither by its name nor by a link."""
    root = plan.real(str(plan.aside if name.startswith(EMBEDDED) else plan.media))
    folder, last = os.path.split(os.path.join(root, name.removeprefix(EMBEDDED)))
    path = os.path.join(plan.real(folder), last)
    if last in ("", ".", "..") or os.path.islink(path):
        path = os.path.realpath(path)
    if not Path(path).is_relative_to(root) or len(name) > 1000:
        raise BadLine(_("“%(name)s” points outside the media folder.", name=name[:TOLD]), place)
    return Path(path)


def _frames(found: str | list[str], plan: Plan, place: str) -> list[Path]:
    """At most MOST_FRAMES, from the first to the last."""
    if not isinstance(found, str):
        frames = [_named(name, plan, place) for name in found]
        return frames[:: -(-len(frames) // MOST_FRAMES) or 1]
    folder = _inside(plan, found, place)
    if not os.path.isdir(folder):
        raise BadLine(_("There is no folder of frames “%(name)s” among the media.", name=found[-TOLD:]), place)
    frames = sorted(path for path in folder.iterdir() if _is_picture(path))
    if not frames:
        raise BadLine(_("The folder “%(name)s” holds no frames.", name=found[-TOLD:]), place)
    return frames[:: -(-len(frames) // MOST_FRAMES)]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_ENDINGS and not path.name.startswith(".")
