"""Finds the demonstration's pictures in the installed packages and copies them as plain JPEGs. Needs no network."""

from __future__ import annotations

import shutil
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from app.core.errors import Refusal
from app.demo.content import DemoMedium

LONGEST_SIDE = 1600
"""Pixels."""


class MediumMissing(Refusal):
    """A package that carries one of the pictures is not installed, or no longer carries it."""

    status = 500
    advice = "Install the demonstration's packages: pip install 'assay[demo]'"


def find(medium: DemoMedium) -> Path:
    """The medium's file in its installed package. Raises MediumMissing."""
    for name in _files_of(medium.package):
        if name.endswith(medium.file):
            path = Path(str(_package(medium.package).locate_file(name))).resolve()
            if path.is_file():
                return path
    raise MediumMissing(f"The package {medium.package} holds no {medium.file}.", medium.key)


@cache
def _package(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise MediumMissing(f"The package {name} is not installed.", name) from None


@cache
def _files_of(package: str) -> tuple[str, ...]:
    return tuple(str(file) for file in _package(package).files or ())


def export(medium: DemoMedium, folder: Path) -> list[Path]:
    """Write the picture, or a video and its frames in order, into the folder; returns the pictures.

    Raises MediumMissing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = find(medium)
    if medium.kind == "image":
        return [_write(_open(source), folder / f"{medium.key}.jpg")]
    shutil.copyfile(source, folder / film_name(medium))
    frames = _frames(source, medium.frames)
    return [_write(frame, folder / f"{medium.key}-{number:02}.jpg") for number, frame in enumerate(frames, 1)]


def film_name(medium: DemoMedium) -> str:
    return f"{medium.key}{Path(medium.file).suffix}"


def _open(path: Path) -> Image.Image:
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return Image.fromarray(arrays["data"].astype(np.uint8)).convert("RGB")
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _frames(path: Path, count: int) -> list[Image.Image]:
    """`count` frames, evenly spaced, the first and the last among them."""
    try:
        import av
    except ImportError:
        raise MediumMissing("PyAV, which decodes the video, is not installed.", str(path)) from None
    with av.open(str(path)) as video:
        total = sum(1 for _ in video.decode(video=0))
    wanted = {round(place * (total - 1) / (count - 1)) for place in range(count)}
    with av.open(str(path)) as video:
        return [frame.to_image() for number, frame in enumerate(video.decode(video=0)) if number in wanted]  # type: ignore[no-untyped-call]


def _write(image: Image.Image, path: Path) -> Path:
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    pixels = Image.frombytes(image.mode, image.size, image.tobytes())  # no metadata comes along
    pixels.save(path, "JPEG", quality=92)
    return path
