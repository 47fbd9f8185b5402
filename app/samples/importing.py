"""Import: lines of JSON become samples. A bad line leaves a fault that says where and why, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.accounts.tables import User
from app.core import storage
from app.core.db import Session
from app.core.errors import Invalid
from app.core.language import gettext as _
from app.projects.tables import Project
from app.samples import renditions
from app.samples.keeping import medium_of, read_video
from app.samples.pictures import open_picture, read_picture
from app.samples.schemas import SampleLine
from app.samples.tables import Medium, Response, Sample

LONGEST_LINE = 8 * 2**20
MOST_FRAMES = 64
FAULTS_SHOWN = 500
PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


class Fault(NamedTuple):
    """What is wrong with one line; `field` is the place in it, or the file that it names."""

    line: int
    field: str
    reason: str


@dataclass
class Report:
    """What an import did. `faults` holds the first few hundred; `faulty` counts all."""

    added: int = 0
    already: int = 0
    faulty: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add_fault(self, fault: Fault) -> None:
        self.faulty += 1
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(fault)


class BadLine(Invalid):
    """A line that is no sample."""


@dataclass(frozen=True)
class Incoming:
    """A line that reads well: its files are there, but not looked into yet."""

    number: int
    line: SampleLine
    files: list[Path]
    sha256: str

    @property
    def video(self) -> Path | None:
        return self.files[0] if self.line.has_video_file else None

    @property
    def pictures(self) -> list[Path]:
        return self.files[1:] if self.video else self.files

    @property
    def external_id(self) -> str:
        return self.sha256[:16] if self.line.id is None else str(self.line.id)


def import_samples(
    session: Session, project: Project, lines: Iterable[str | bytes], media_root: Path, author: User
) -> Report:
    """Add a sample for each line that is new to the project; a second import of the same lines adds nothing.

    lines: JSON objects of the shape SampleLine; blank lines are passed over. media_root: the folder of their media.
    """
    report = Report()
    for batch in _batches(_read_all(lines, media_root, report), 100):
        known = _known(session, project, [incoming.sha256 for incoming in batch])
        for incoming in batch:
            if incoming.sha256 in known:
                report.already += 1
            else:
                known.add(incoming.sha256)
                _add(session, project, incoming, report)
    audit(
        session,
        author,
        "samples.imported",
        f"project {project.id}",
        project.id,
        added=report.added,
        faulty=report.faulty,
    )
    return report


def preview(lines: Iterable[str | bytes], media_root: Path, shown: int = 5) -> tuple[list[SampleLine], int, Report]:
    """The first lines, how many read well, and the faults that can be seen without decoding the pictures."""
    report, good = Report(), 0
    first: list[SampleLine] = []
    for incoming in _read_all(lines, media_root, report):
        try:
            for path in incoming.pictures:
                open_picture(path.read_bytes(), path.name).close()
        except Invalid as problem:
            report.add_fault(Fault(incoming.number, problem.where, problem.what))
            continue
        good += 1
        if len(first) < shown:
            first.append(incoming.line)
    return first, good, report


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """A file's lines; one beyond the limit is handed on cut, to be named as a fault, and its rest is passed over."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n") and (line := file.readline(LONGEST_LINE + 1)):
            pass


def _batches(incoming: Iterator[Incoming], size: int) -> Iterator[list[Incoming]]:
    while batch := list(islice(incoming, size)):
        yield batch


def _read_all(lines: Iterable[str | bytes], media_root: Path, report: Report) -> Iterator[Incoming]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            yield _read(number, text, media_root)
        except Invalid as problem:
            report.add_fault(Fault(number, problem.where, problem.what))


def _read(number: int, text: str | bytes, media_root: Path) -> Incoming:
    line = _parse(text)
    files = _files(line, media_root)
    return Incoming(number, line, files, _content_sha256(line, files))


def _parse(text: str | bytes) -> SampleLine:
    if len(text) > LONGEST_LINE:
        raise BadLine(_("The line is longer than %(longest_line)s bytes.", longest_line=f"{LONGEST_LINE:,}"), "line")
    try:
        line = SampleLine.model_validate(orjson.loads(text))
    except orjson.JSONDecodeError as problem:
        raise BadLine(_("This is not JSON: %(problem)s.", problem=problem), "line") from None
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise BadLine(first["msg"].removeprefix("Value error, "), ".".join(map(str, first["loc"])) or "line") from None
    for place, value in _texts(line.model_dump()):
        if "\0" in value:
            raise BadLine(_("The text holds a NUL character."), place)
    return line


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, f"{place}.{key}".lstrip("."))


def _files(line: SampleLine, media_root: Path) -> list[Path]:
    if line.has_video_file:
        return [*_named([str(line.video)], media_root, "video"), *_frames(line.frames or [], media_root, "frames")]
    if line.video:
        return _frames(line.video, media_root, "video")
    return _named([line.image] if line.image else line.images, media_root, "image" if line.image else "images")


def _named(names: list[str], media_root: Path, place: str) -> list[Path]:
    files = [_inside(media_root, name, place) for name in names]
    for name, path in zip(names, files, strict=True):
        if not path.is_file():
            raise BadLine(_("There is no file “%(name)s” among the media.", name=name), place)
    return files[:MOST_FRAMES]


def _inside(media_root: Path, name: str, place: str) -> Path:
    """The path, which may leave the media folder neither by its name nor by a link."""
    root = media_root.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root) or len(name) > 1000:
        raise BadLine(_("“%(name)s” points outside the media folder.", name=name[:80]), place)
    return path


def _frames(found: str | list[str], media_root: Path, place: str) -> list[Path]:
    if not isinstance(found, str):
        return _named(found, media_root, place)
    folder = _inside(media_root, found, place)
    if not folder.is_dir():
        raise BadLine(_("There is no folder of frames “%(name)s” among the media.", name=folder.name), place)
    frames = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_ENDINGS)
    if not frames:
        raise BadLine(_("The folder “%(name)s” holds no frames.", name=folder.name), place)
    return frames[:: -(-len(frames) // MOST_FRAMES)]


def _content_sha256(line: SampleLine, files: list[Path]) -> str:
    """Of prompt, media and replies. The media's source bytes count, so a repeated import need not decode them."""
    content = [line.prompt, [storage.sha256_of(path) for path in files], [[r.model, r.text] for r in line.responses]]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def _known(session: Session, project: Project, hashes: list[str]) -> set[str]:
    query = sa.select(Sample.content_sha256).where(Sample.project_id == project.id, Sample.content_sha256.in_(hashes))
    return set(session.scalars(query))


def _add(session: Session, project: Project, incoming: Incoming, report: Report) -> None:
    try:
        pictures = [read_picture(path.read_bytes(), path.name) for path in incoming.pictures]
        video = read_video(incoming.video) if incoming.video else None
    except Invalid as problem:
        report.add_fault(Fault(incoming.number, problem.where, problem.what))
        return
    sample_id = session.scalar(
        insert(Sample)
        .values(
            project_id=project.id,
            external_id=incoming.external_id,
            prompt=incoming.line.prompt,
            domain=incoming.line.kind_of_domain,
            question_type=incoming.line.kind_of_question,
            content_sha256=incoming.sha256,
            credit=incoming.line.credit,
            language=incoming.line.language.lower(),
            cluster=incoming.line.cluster,
        )
        .on_conflict_do_nothing()
        .returning(Sample.id)
    )
    if sample_id is None:  # somebody else imported the same line meanwhile
        report.already += 1
        return
    report.added += 1
    rows = [medium_of(picture, "frame" if incoming.line.video else "image") for picture in pictures]
    media = [
        Medium(sample_id=sample_id, position=place, alt=incoming.line.alt, **row)
        for place, row in enumerate([*([video] if video else []), *rows])
    ]
    session.add_all(media)
    session.flush()
    renditions.ask(session, media)
    replies = enumerate(incoming.line.responses)
    session.execute(
        sa.insert(Response),
        [{"sample_id": sample_id, "position": n, "model": r.model, "text": r.text} for n, r in replies],
    )
