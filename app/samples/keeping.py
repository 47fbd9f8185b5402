"""Keeping what was read: pictures and videos as blobs, and the columns of their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.core import storage
from app.core.db import Session
from app.samples import confined, renditions
from app.samples.pictures import Picture, read_picture
from app.samples.tables import Medium

LOOKED_AT = 1000
"""Videos of which one sweep asks whether their samples have frames."""

AT_ONCE = 20
"""Videos whose frames one sweep adds: it has more to do."""


def keep_picture(path: Path, sha256: str) -> dict[str, Any]:
    """The columns of a picture's row, cleaned and kept. sha256: the file's, by which what it says can be remembered.

    Raises as `read_picture`.
    """
    return medium_of(read_picture(path.read_bytes(), path.name), "image")


def medium_of(picture: Picture, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "blob_sha256": storage.put_blob(picture.content),
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
    }


def read_video(path: Path) -> dict[str, Any]:
    """The columns of a video's row, its file kept. Raises NotAVideo, VideoTooLarge, TooCostly.

    The kept file is the imported one and never served: what is played is made from it without metadata.
    """
    found = confined.perform("probe", path, path, path.name)
    return {
        "kind": "video",
        "blob_sha256": storage.put_file(path),
        "media_type": "video/mp4",
        "width": found["width"],
        "height": found["height"],
    }


def without_frames(session: Session, sha256: str) -> list[int]:
    """The videos of that file, which several samples may ask about, whose samples have no frames yet."""
    frame = aliased(Medium)
    framed = sa.exists().where(frame.sample_id == Medium.sample_id, frame.kind == "frame")
    query = sa.select(Medium.id).where(Medium.blob_sha256 == sha256, Medium.kind == "video", ~framed)
    return list(session.scalars(query.order_by(Medium.id)))


def passed_by(session: Session, after: int) -> tuple[list[tuple[int, list[float]]], int]:
    """Videos that are prepared while their samples have no frames, each with its frames' moments; where to go on from.

    A video is prepared once for all samples that ask about it; one whose import was not committed by then is passed by.
    after: the id behind which to look, 0 at the beginning. A look ends after so many videos, with the end of all at 0.
    """
    frame = aliased(Medium)
    framed = sa.exists().where(frame.sample_id == Medium.sample_id, frame.kind == "frame")
    query = sa.select(Medium.id, Medium.blob_sha256, framed).where(Medium.kind == "video", Medium.id > after)
    rows = session.execute(query.order_by(Medium.id).limit(LOOKED_AT)).all()
    found: list[tuple[int, list[float]]] = []
    for video_id, sha256, has_frames in rows:
        moments = None if has_frames else (renditions.about(sha256) or {}).get("moments")
        found += [(video_id, moments)] if moments else []
        if len(found) == AT_ONCE:
            return found, video_id
    return found, rows[-1].id if len(rows) == LOOKED_AT else 0


def add_frames(session: Session, video_id: int, moments: list[float]) -> None:
    """The frames that were sampled from a video become media of its sample, unless the import brought frames.

    Twice is harmless. moments: seconds, one for each frame.
    """
    video = session.scalars(sa.select(Medium).where(Medium.id == video_id).with_for_update()).one()
    if any(each.kind == "frame" for each in video.sample.media):
        return
    folder = renditions.folder_of(video.blob_sha256) / "frames"
    for place, (moment, path) in enumerate(zip(moments, sorted(folder.iterdir()), strict=False), video.position + 1):
        columns = medium_of(read_picture(path.read_bytes(), path.name), "frame")
        frame = Medium(sample_id=video.sample_id, position=place, alt=video.alt, at_seconds=moment, **columns)
        session.add(frame)
    session.flush()
