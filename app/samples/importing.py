"""Import: lines of JSON become samples. A bad line leaves a fault that says where and why, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

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
from app.samples import renditions, shapes
from app.samples.keeping import medium_of, read_video
from app.samples.mapping import Mapping
from app.samples.pictures import open_picture, read_picture
from app.samples.schemas import Judgement, SampleLine
from app.samples.sources import EMBEDDED, BadLine, Entry, entries_of
from app.samples.tables import Medium, Response, Sample

BATCH = 100
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


@dataclass(frozen=True)
class Plan:
    """How records are read: the folders of their media and of pictures within rows, their shape and columns."""

    media: Path
    aside: Path
    shape: str = "assay"
    mapping: Mapping = field(default_factory=dict)


Judged = list[tuple[int, Judgement]]


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


Kept = tuple[Incoming, list[dict[str, Any]]]
"""A line with the columns of its media."""


def import_samples(
    session: Session, project: Project, lines: Iterable[str | bytes], media_root: Path, author: User
) -> Report:
    """Add a sample for each line that is new to the project; a second import of the same lines adds nothing.

    lines: JSON objects of the shape SampleLine; blank lines are passed over. media_root: the folder of their media.
    """
    report, plan = Report(), Plan(media_root, media_root)
    entries = entries_of(lines)
    while batch := list(islice(entries, BATCH)):
        add_batch(session, project, batch, plan, report)
    audit_import(session, author, project, report)
    return report


def audit_import(session: Session, author: User, project: Project, report: Report) -> None:
    found = {"added": report.added, "faulty": report.faulty}
    audit(session, author, "samples.imported", f"project {project.id}", project.id, **found)


def add_batch(session: Session, project: Project, batch: list[Entry], plan: Plan, report: Report) -> Judged:
    """Samples for some records; what they bring of people's judgements is handed back with the samples' ids."""
    incoming = list(_read_all(batch, plan, report))
    known = _known(session, project, [each.sha256 for each in incoming])
    new: list[Kept] = []
    for each in incoming:
        if each.sha256 in known:
            report.already += 1
            continue
        known.add(each.sha256)
        if media := _keep_media(each, report):
            new.append((each, media))
    ids = _add_samples(session, project, [each for each, _media in new])
    report.added += len(ids)
    report.already += len(new) - len(ids)  # somebody else imported the same lines meanwhile
    new = [kept for kept in new if kept[0].sha256 in ids]
    _add_media(session, ids, new)
    _add_responses(session, ids, [each for each, _media in new])
    return [(ids[each.sha256], each.line.judgement) for each, _media in new if each.line.judgement]


def try_batch(session: Session, project: Project, batch: list[Entry], plan: Plan, report: Report) -> list[SampleLine]:
    """What `add_batch` would do, counted and with the faults that heads of files show, and nothing of it done."""
    good = []
    incoming = list(_read_all(batch, plan, report))
    known = _known(session, project, [each.sha256 for each in incoming])
    for each in incoming:
        try:
            for path in each.pictures:
                open_picture(path.read_bytes(), path.name).close()
        except Invalid as problem:
            report.add_fault(Fault(each.number, problem.where, problem.what))
            continue
        good.append(each.line)
        report.already += each.sha256 in known
        report.added += each.sha256 not in known
        known.add(each.sha256)
    return good


def _read_all(entries: Iterable[Entry], plan: Plan, report: Report) -> Iterator[Incoming]:
    for entry in entries:
        try:
            for row in shapes.read(plan.shape, entry.value(), plan.mapping):
                yield _read(entry.number, row, plan)
        except Invalid as problem:
            report.add_fault(Fault(entry.number, problem.where, problem.what))


def _read(number: int, row: dict[str, Any], plan: Plan) -> Incoming:
    line = _shaped(row)
    files = _files(line, plan)
    return Incoming(number, line, files, _content_sha256(line, files))


def _shaped(row: dict[str, Any]) -> SampleLine:
    try:
        line = SampleLine.model_validate(row)
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


def _files(line: SampleLine, plan: Plan) -> list[Path]:
    if line.has_video_file:
        return [*_named([str(line.video)], plan, "video"), *_frames(line.frames or [], plan, "frames")]
    if line.video:
        return _frames(line.video, plan, "video")
    return _named([line.image] if line.image else line.images, plan, "image" if line.image else "images")


def _named(names: list[str], plan: Plan, place: str) -> list[Path]:
    files = [_inside(plan, name, place) for name in names]
    for name, path in zip(names, files, strict=True):
        if not path.is_file():
            raise BadLine(_("There is no file “%(name)s” among the media.", name=name), place)
    return files[:MOST_FRAMES]


def _inside(plan: Plan, name: str, place: str) -> Path:
    """The path, which may leave the media folder neither by its name nor by a link."""
    root = (plan.aside if name.startswith(EMBEDDED) else plan.media).resolve()
    path = (root / name.removeprefix(EMBEDDED)).resolve()
    if not path.is_relative_to(root) or len(name) > 1000:
        raise BadLine(_("“%(name)s” points outside the media folder.", name=name[:80]), place)
    return path


def _frames(found: str | list[str], plan: Plan, place: str) -> list[Path]:
    if not isinstance(found, str):
        return _named(found, plan, place)
    folder = _inside(plan, found, place)
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


def _keep_media(incoming: Incoming, report: Report) -> list[dict[str, Any]] | None:
    """The columns of a line's media, their files kept; None where one is at fault, of which nothing is kept."""
    try:
        pictures = [read_picture(path.read_bytes(), path.name) for path in incoming.pictures]
        video = read_video(incoming.video) if incoming.video else None
    except Invalid as problem:
        report.add_fault(Fault(incoming.number, problem.where, problem.what))
        return None
    shown = [medium_of(picture, "frame" if incoming.line.video else "image") for picture in pictures]
    return [*([video] if video else []), *shown]


def _add_samples(session: Session, project: Project, incoming: list[Incoming]) -> dict[str, int]:
    """The ids of the samples that are new, by their content."""
    if not incoming:
        return {}
    rows = [
        {
            "project_id": project.id,
            "external_id": each.external_id,
            "prompt": each.line.prompt,
            "domain": each.line.kind_of_domain,
            "danger": each.line.danger or "",
            "question_type": each.line.kind_of_question,
            "content_sha256": each.sha256,
            "credit": each.line.credit,
            "language": each.line.language.lower(),
            "cluster": each.line.cluster,
        }
        for each in incoming
    ]
    added = insert(Sample).on_conflict_do_nothing().returning(Sample.content_sha256, Sample.id)
    return {row.content_sha256: row.id for row in session.execute(added, rows)}


def _add_media(session: Session, ids: dict[str, int], new: list[Kept]) -> None:
    media = [
        Medium(sample_id=ids[each.sha256], position=place, alt=each.line.alt, **columns)
        for each, kept in new
        for place, columns in enumerate(kept)
    ]
    session.add_all(media)
    session.flush()
    renditions.ask(session, media)


def _add_responses(session: Session, ids: dict[str, int], new: list[Incoming]) -> None:
    rows = [
        {"sample_id": ids[each.sha256], "position": place, "model": reply.model, "text": reply.text}
        for each in new
        for place, reply in enumerate(each.line.responses)
    ]
    if rows:
        session.execute(sa.insert(Response), rows)
