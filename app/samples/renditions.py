"""Renditions: what pages show of a picture or a video. Made by the desk's worker, kept by the content's hash.

A folder `renditions/ab/abcd…` holds display.webp, thumb.webp, tiles/ or the video to play, and about.json. It is whole
or absent; one with nothing but about.json says by which named error the work failed.
"""

from __future__ import annotations

import os
import shutil
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from app.core import storage
from app.core.db import Session
from app.core.errors import Refusal
from app.core.jobs import nudge
from app.samples import confined
from app.samples.tables import Medium

SHOWN_AS_IT_IS = 600_000
"""Pixels up to which a picture needs no smaller rendition."""

SENT_WHOLE = 12_000_000
"""Pixels up to which a browser gets the whole picture; a larger one comes in tiles."""

ASK_AGAIN_AFTER = 60.0
"""Seconds after which a picture that nobody has prepared is asked for again: a message can be lost."""

SAMPLED = 8
"""Frames that are taken of a video for which the import brought none."""


def folder_of(sha256: str) -> Path:
    return storage.root() / "renditions" / sha256[:2] / sha256


def needed(medium: Medium) -> bool:
    return medium.kind == "video" or medium.width * medium.height > SHOWN_AS_IT_IS


def is_tiled(medium: Medium) -> bool:
    return medium.kind != "video" and medium.width * medium.height > SENT_WHOLE


def about(sha256: str) -> dict[str, Any] | None:
    """What is known of the prepared file: its size, levels of tiles, or `error` and `message`; None until then."""
    return _read(folder_of(sha256) / "about.json")


@lru_cache(maxsize=10_000)
def _kept(path: Path, changed: int) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return _kept(path, path.stat().st_mtime_ns)  # what was collected is known no more
    except FileNotFoundError:
        return None


def percent(sha256: str) -> int:
    """How far the work has come, 0 to 100."""
    try:
        return min(99, int(_aside(sha256).with_suffix(".progress").read_text() or 0))
    except (FileNotFoundError, ValueError):
        return 0


def ask(session: Session, media: list[Medium]) -> None:
    """Have the desk's worker prepare what is not prepared; asked twice within a minute, it is asked once."""
    wanted = [each for each in media if needed(each) and (lacks_frames(each) or _waits(each))]
    for start in range(0, len(wanted), 50):
        nudge(session, "prepare_media", [each.id for each in wanted[start : start + 50]])


def _waits(medium: Medium) -> bool:
    return about(medium.blob_sha256) is None and _first_to_ask(medium)


def lacks_frames(medium: Medium) -> bool:
    """Whether a video was prepared for another sample, and its own has no frames of it yet."""
    known = about(medium.blob_sha256) if medium.kind == "video" else None
    return bool(known and known.get("moments")) and all(each.kind != "frame" for each in medium.sample.media)


def _first_to_ask(medium: Medium) -> bool:
    asked = folder_of(medium.blob_sha256).with_suffix(".asked")
    try:
        if asked.stat().st_mtime > time.time() - ASK_AGAIN_AFTER:
            return False
    except FileNotFoundError:
        asked.parent.mkdir(parents=True, exist_ok=True)
    asked.touch()
    return True


def prepare(medium: Medium) -> dict[str, Any]:
    """Make what pages show of one medium, unless it is there; twice is harmless. What failed is kept by its name."""
    sha256 = medium.blob_sha256
    if (known := about(sha256)) is not None:
        return known
    aside = _aside(sha256)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    work = "video" if medium.kind == "video" else "picture"
    try:
        answer = confined.perform(work, storage.blob(sha256), aside, f"medium {medium.id}", count=SAMPLED)
    except Refusal as refusal:
        shutil.rmtree(aside)
        aside.mkdir()
        answer = refusal.as_json()
    (aside / "about.json").write_bytes(orjson.dumps(answer))
    folder = folder_of(sha256)
    if not folder.exists():
        os.replace(aside, folder)
    shutil.rmtree(aside, ignore_errors=True)
    for leftover in (aside.with_suffix(".progress"), folder.with_suffix(".asked")):
        leftover.unlink(missing_ok=True)
    return answer


def _aside(sha256: str) -> Path:
    folder = folder_of(sha256)
    return folder.with_name(f".aside-{sha256}")


def file_to_show(medium: Medium, size: str) -> tuple[Path, str] | None:
    """The file for an address, with its media type; None while it is being prepared.

    size: "thumb", "display" or "full". A picture too large for a browser has no "full": it comes in tiles.
    """
    known = about(medium.blob_sha256)
    folder = folder_of(medium.blob_sha256)
    if medium.kind == "video":
        if known is None or "error" in known:
            return None
        played = (folder / known["file"], known["media_type"])
        return played if size == "full" else (folder / f"{size}.webp", "image/webp")
    if size == "full" or not needed(medium):
        return storage.blob(medium.blob_sha256), medium.media_type
    if known is not None and "error" not in known:
        return folder / f"{size}.webp", "image/webp"
    whole = (storage.blob(medium.blob_sha256), medium.media_type)
    return None if is_tiled(medium) else whole


def tile(medium: Medium, level: int, column: int, row: int) -> Path:
    return folder_of(medium.blob_sha256) / "tiles" / str(level) / f"{column}_{row}.jpg"
