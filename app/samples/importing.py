"""Import: lines of JSON become samples. A bad line leaves a fault that says where and why, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from app.accounts.actions import audit
from app.accounts.tables import User
from app.core import storage
from app.core.db import Session
from app.core.errors import Invalid
from app.core.language import gettext as _
from app.projects.tables import Project
from app.samples import adding, shapes
from app.samples.adding import Incoming, Kept
from app.samples.finding import Plan, files_of
from app.samples.keeping import keep_picture, read_video
from app.samples.pictures import open_picture
from app.samples.schemas import Judgement, SampleLine
from app.samples.sources import BadLine, Entry, entries_of

BATCH = 100
"""Records of the first batch; how many the next ones have is told by how long the one before took."""

MOST_AT_ONCE = 1000
A_BATCH_LASTS = 0.5
"""Seconds that a batch should take: long enough to be worth its transaction, short enough to be told of."""

HEAVIEST = 32 * 2**20
"""Bytes after which a batch is full however few its records."""

FAULTS_SHOWN = 500


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


Judged = list[tuple[int, Judgement]]


def import_samples(
    session: Session, project: Project, lines: Iterable[str | bytes], media_root: Path, author: User
) -> Report:
    """Add a sample for each line that is new to the project; a second import of the same lines adds nothing.

    lines: JSON objects of the shape SampleLine; blank lines are passed over. media_root: the folder of their media.
    """
    report, plan = Report(), Plan(media_root, media_root)
    entries = entries_of(lines)
    while batch := next_batch(entries, BATCH):
        add_batch(session, project, batch, plan, report)
    audit_import(session, author, project, report)
    return report


def audit_import(session: Session, author: User, project: Project, report: Report) -> None:
    found = {"added": report.added, "faulty": report.faulty}
    audit(session, author, "samples.imported", f"project {project.id}", project.id, **found)


def next_batch(entries: Iterator[Entry], most: int) -> list[Entry]:
    """Up to so many records, or as many as are heavy enough together; none at the end."""
    batch: list[Entry] = []
    weight = 0
    for entry in islice(entries, most):
        batch.append(entry)
        if (weight := weight + entry.weight) >= HEAVIEST:
            break
    return batch


def next_size(size: int, took: float) -> int:
    """How many records the next batch should have, after one of `size` took so many seconds."""
    return max(1, min(MOST_AT_ONCE, 2 * size, round(size * A_BATCH_LASTS / max(took, 0.001))))


def add_batch(session: Session, project: Project, batch: list[Entry], plan: Plan, report: Report) -> Judged:
    """Samples for some records; what they bring of people's judgements is handed back with the samples' ids."""
    incoming = list(_read_all(batch, plan, report))
    known = adding.known(session, project, [each.sha256 for each in incoming])
    new: list[Kept] = []
    for each in incoming:
        if each.sha256 in known:
            report.already += 1
            continue
        known.add(each.sha256)
        if media := _keep_media(each, plan, report):
            new.append((each, media))
    ids = adding.add(session, project, new)
    report.added += len(ids)
    report.already += len(new) - len(ids)  # somebody else imported the same lines meanwhile
    return [
        (ids[each.sha256], each.line.judgement) for each, _media in new if each.line.judgement and each.sha256 in ids
    ]


def try_batch(session: Session, project: Project, batch: list[Entry], plan: Plan, report: Report) -> list[SampleLine]:
    """What `add_batch` would do, counted and with the faults that heads of files show, and nothing of it done."""
    good = []
    incoming = list(_read_all(batch, plan, report))
    known = adding.known(session, project, [each.sha256 for each in incoming])
    for each in incoming:
        try:
            for path in each.pictures:
                open_picture(path.read_bytes(), path.name).close()
        except Invalid as problem:
            report.add_fault(_of_medium(each, problem))
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
    files = files_of(line, plan)
    sums = [storage.sha256_of(path) for path in files]
    return Incoming(number, line, files, sums, _content_sha256(line, sums))


def _shaped(row: dict[str, Any]) -> SampleLine:
    try:
        line = SampleLine.model_validate(row)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise BadLine(first["msg"].removeprefix("Value error, "), ".".join(map(str, first["loc"])) or "line") from None
    if "\\u0000" in line.model_dump_json():  # asked of all at once: few lines hold one, and millions are asked
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


def _content_sha256(line: SampleLine, sums: list[str]) -> str:
    """Of prompt, media and replies. The media's source bytes count, so a repeated import need not decode them."""
    content = [line.prompt, sums, [[r.model, r.text] for r in line.responses]]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def _keep_media(incoming: Incoming, plan: Plan, report: Report) -> list[dict[str, Any]] | None:
    """The columns of a line's media, their files kept; None where one is at fault, of which nothing is named."""
    sums = incoming.sums[1:] if incoming.video else incoming.sums
    kind = "frame" if incoming.line.video else "image"
    try:
        shown = [_keep_one(plan, path, sha256) for path, sha256 in zip(incoming.pictures, sums, strict=True)]
        video = read_video(incoming.video) if incoming.video else None
    except Invalid as problem:
        report.add_fault(_of_medium(incoming, problem))
        return None
    return [*([video] if video else []), *(columns | {"kind": kind} for columns in shown)]


def _of_medium(incoming: Incoming, problem: Invalid) -> Fault:
    """A picture that the record carried has a name that nobody gave it: then the fault is the line's."""
    carried = len(problem.where) == 64 and problem.where in incoming.sums
    return Fault(incoming.number, "image" if carried else problem.where, problem.what)


def _keep_one(plan: Plan, path: Path, sha256: str) -> dict[str, Any]:
    columns = plan.keep(path, sha256)
    return columns if storage.is_there(columns["blob_sha256"]) else keep_picture(path, sha256)
