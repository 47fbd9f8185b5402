"""Samples' verbs: look at what was uploaded, and begin its import, which `imports` sees through."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.core.db import Session
from app.core.errors import Invalid
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples import gathering, guessing, imports, mapping, shapes, sources
from app.samples.finding import Plan
from app.samples.importing import Report, try_batch
from app.samples.schemas import SampleLine
from app.samples.staging import AlreadyImported, Upload
from app.samples.tables import Import

SHOWN = 5


class BadMapping(Invalid):
    """A shape or a column that nobody knows."""


@dataclass(frozen=True)
class Look:
    """The first records of an upload as they would be read. columns: theirs, where they have any."""

    plan: Plan
    columns: list[str]
    first: list[SampleLine]
    seen: int
    report: Report


def look_at(session: Session, seat: Seat, upload: Upload, chosen: Mapping[str, str]) -> Look:
    """How an upload reads under the chosen shape and columns, else under those that its first record suggests.

    chosen: a form's fields: `shape`, and `column.<field>` and `model.<column>`. Raises BadSource, BadMapping.
    """
    plan, columns = plan_of(upload, chosen)
    batch = list(islice(sources.records(upload.source, upload.aside), sources.LOOKED_AT))
    if plan.shape == "pairs":
        with tempfile.TemporaryDirectory(prefix="assay-look-") as folder:
            batch = list(gathering.gathered(batch, Path(folder)))
    report = Report()
    good = try_batch(session, seat.project, batch, plan, report)
    return Look(plan, columns, good[:SHOWN], len(batch), report)


def plan_of(upload: Upload, chosen: Mapping[str, str]) -> tuple[Plan, list[str]]:
    """How to read an upload, and the columns of its first records. Raises BadSource, BadMapping."""
    source = upload.source
    shape, columns = guessing.look_at(source, upload.aside, chosen.get("shape", ""))
    if shape not in shapes.SHAPES:
        raise BadMapping(_("“%(shape)s” is none of the shapes that are read.", shape=shape[:40]), "shape")
    found = _chosen(chosen, columns) if "shape" in chosen and columns else mapping.guess(columns)
    return Plan(sources.media_root_of(source), upload.aside, shape, found if columns else {}), columns


def _chosen(chosen: Mapping[str, str], columns: list[str]) -> mapping.Mapping:
    found = {field: chosen.get(f"column.{field}", "") for field in mapping.FIELDS}
    for column in columns:
        if model := chosen.get(f"model.{column}", "").strip():
            found[mapping.REPLIES + column] = model[:200]
    for field, column in found.items():
        if column and not field.startswith(mapping.REPLIES) and column not in columns:
            raise BadMapping(_("There is no column “%(column)s”.", column=column[:80]), field)
    return {field: column for field, column in found.items() if column}


def begin_import(session: Session, seat: Seat, upload: Upload, chosen: Mapping[str, str], dry: bool = False) -> Import:
    """Have a worker import an upload, or say what would come of it. Raises AlreadyImported, BadSource, BadMapping."""
    if not dry and imports.of_upload(session, seat.project, upload.token, dry=False) is not None:
        raise AlreadyImported(_("This upload has been imported already."), "upload")
    plan, _columns = plan_of(upload, chosen)
    return imports.begin(session, seat.project, seat.user, upload.token, upload.name, upload.source, plan, dry)
