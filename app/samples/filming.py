"""Videos in the confined process: what is in the file, a copy without metadata that browsers play, sampled frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.core.language import gettext as _
from app.samples.refusals import NotAVideo, VideoTooLarge

LONGEST_SECONDS = 1800.0
MOST_PIXELS = 8192 * 4320
LONGEST_SIDE = 1920
"""Pixels, of a copy that is encoded anew; a copy that browsers play as it is keeps its size."""

PLAYED = {"h264": ".mp4", "av1": ".mp4", "vp8": ".webm", "vp9": ".webm"}
"""Codecs that browsers play, and the container that they are put into."""

HEARD = {".mp4": {"aac", "mp3"}, ".webm": {"opus", "vorbis"}}
TYPES = {".mp4": "video/mp4", ".webm": "video/webm"}


def probe(source: Path, target: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Size, seconds and frames a second, read off the head and the first frame. Raises NotAVideo, VideoTooLarge."""
    import av

    try:
        with av.open(str(source)) as container:
            frame = next(container.decode(video=0))
            width, height = _upright(frame)
            seconds = _seconds(container)
            rate = float(container.streams.video[0].average_rate or 25)
    except (av.FFmpegError, IndexError, StopIteration, ValueError) as problem:
        raise NotAVideo(_("This is no video that we read (%(problem)s).", problem=problem)) from None
    if seconds > LONGEST_SECONDS or width * height > MOST_PIXELS:
        raise VideoTooLarge(
            _(
                "The video has %(width)s × %(height)s pixels and %(seconds)s seconds; "
                "at most %(most_pixels)s pixels and %(longest_seconds)s seconds are taken.",
                width=f"{width:,}",
                height=f"{height:,}",
                seconds=f"{seconds:,.0f}",
                most_pixels=f"{MOST_PIXELS:,}",
                longest_seconds=f"{LONGEST_SECONDS:,.0f}",
            )
        )
    return {"width": width, "height": height, "seconds": round(seconds, 3), "fps": round(rate, 4)}


def prepare(source: Path, target: Path, order: dict[str, Any]) -> dict[str, Any]:
    """In the folder `target`: the copy to play, display.webp and thumb.webp of its first frame, and `count` frames/.

    order: count, how many frames to sample, evenly, the first and the last among them.
    """
    import av

    about = probe(source, target, order)
    try:
        ending = _copy(av, source, target, about)
        moments = _moments(about["seconds"], about["fps"], int(order.get("count", 0)))
        first = _sample(av, source, target, moments)
    except (av.FFmpegError, ValueError) as problem:
        raise NotAVideo(_("The video is cut off or damaged (%(problem)s).", problem=problem)) from None
    for name, side in (("display", 1600), ("thumb", 320)):
        small = first.copy()
        small.thumbnail((side, side))
        small.save(target / f"{name}.webp", "WEBP", quality=85)
    return {**about, "file": f"video{ending}", "media_type": TYPES[ending], "moments": moments}


def _seconds(container: Any) -> float:
    stream = container.streams.video[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / 1_000_000


def _upright(frame: Any) -> tuple[int, int]:
    on_its_side = getattr(frame, "rotation", 0) % 180 != 0
    return (frame.height, frame.width) if on_its_side else (frame.width, frame.height)


def _moments(seconds: float, rate: float, count: int) -> list[float]:
    last = max(0.0, seconds - 1 / rate)
    return [round(last * place / max(1, count - 1), 3) for place in range(count)]


def _copy(av: Any, source: Path, target: Path, about: dict[str, Any]) -> str:
    """The streams as they are in a container without metadata; encoded anew only where browsers would not play them."""
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        turned = getattr(next(container.decode(video=0)), "rotation", 0) % 360
        ending = PLAYED.get(stream.codec_context.name, "")
        plain = stream.codec_context.pix_fmt in ("yuv420p", "yuvj420p")
    if ending and plain and not turned:
        _remux(av, source, target / f"video{ending}", ending)
        return ending
    _encode(av, source, target / "video.mp4", about)
    return ".mp4"


def _remux(av: Any, source: Path, file: Path, ending: str) -> None:
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(source)) as container, av.open(str(file), "w", options=options) as out:
        kept = [container.streams.video[0]]
        kept += [each for each in container.streams.audio[:1] if each.codec_context.name in HEARD[ending]]
        copies = {}
        for stream in kept:
            copies[stream.index] = out.add_stream_from_template(stream)
            copies[stream.index].metadata.clear()
        out.metadata.clear()
        for packet in container.demux(kept):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)


def _encode(av: Any, source: Path, file: Path, about: dict[str, Any]) -> None:
    """H.264 without sound, upright, at most LONGEST_SIDE."""
    scale = min(1.0, LONGEST_SIDE / max(about["width"], about["height"]))
    width, height = (max(2, round(about[side] * scale / 2) * 2) for side in ("width", "height"))
    with av.open(str(source)) as container, av.open(str(file), "w", options={"movflags": "+faststart"}) as out:
        rate = container.streams.video[0].average_rate or Fraction(25)
        stream = out.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        for number, frame in enumerate(container.decode(video=0)):
            upright = av.VideoFrame.from_ndarray(_pixels(frame), format="rgb24")
            made = upright.reformat(width=width, height=height, format="yuv420p")
            made.pts = number
            made.time_base = 1 / rate
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))


def _pixels(frame: Any) -> np.ndarray[Any, Any]:
    """(height, width, 3) bytes, upright."""
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


def _sample(av: Any, source: Path, target: Path, moments: list[float]) -> Image.Image:
    """frames/0001.jpg and so on, one for each moment; returns the first frame of the video."""
    (target / "frames").mkdir()
    with av.open(str(source)) as container:
        first = Image.fromarray(_pixels(next(container.decode(video=0))))
    for number, moment in enumerate(moments, 1):
        with av.open(str(source)) as container:
            stream = container.streams.video[0]
            if moment > 5:  # before that, decoding from the start is quicker than finding a place
                container.seek(int(moment / stream.time_base), stream=stream)
            frame = last = None
            for last in container.decode(stream):
                if last.time is not None and last.time >= moment - 0.001:
                    frame = last
                    break
            if (found := frame or last) is None:
                continue
            Image.fromarray(_pixels(found)).save(target / "frames" / f"{number:04}.jpg", quality=92)
    return first
