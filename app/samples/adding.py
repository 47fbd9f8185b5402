"""Adding: the rows of samples that were read and whose media are kept, a statement a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.core.db import Session, among, insert_of
from app.projects.tables import Project
from app.samples import renditions
from app.samples.schemas import SampleLine
from app.samples.tables import Medium, Response, Sample


@dataclass(frozen=True)
class Incoming:
    """A line that reads well: its files are there, but not looked into yet. sums: their SHA-256."""

    number: int
    line: SampleLine
    files: list[Path]
    sums: list[str]
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


def known(session: Session, project: Project, hashes: list[str]) -> set[str]:
    """Those of these contents that the project has already."""
    given = sa.cast(hashes, ARRAY(sa.Text))
    query = sa.select(Sample.content_sha256).where(Sample.project_id == project.id)
    return set(session.scalars(query.where(Sample.content_sha256 == sa.any_(given))))


def add(session: Session, project: Project, new: list[Kept]) -> dict[str, int]:
    """Samples with their media and responses. The ids of those that are new, by their content."""
    if not new:
        return {}
    ids = _add_samples(session, project, [each for each, _media in new])
    new = [kept for kept in new if kept[0].sha256 in ids]
    _add_media(session, ids, new)
    _add_responses(session, ids, [each for each, _media in new])
    return ids


def _add_samples(session: Session, project: Project, incoming: list[Incoming]) -> dict[str, int]:
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
    added = insert_of(Sample, rows).on_conflict_do_nothing().returning(Sample.content_sha256, Sample.id)
    return {row.content_sha256: row.id for row in session.execute(added)}


def _add_media(session: Session, ids: dict[str, int], new: list[Kept]) -> None:
    rows = [
        {"sample_id": ids[each.sha256], "position": place, "alt": each.line.alt, **columns}
        for each, kept in new
        for place, columns in enumerate(kept)
    ]
    if not rows:
        return
    session.execute(insert_of(Medium, rows))
    if large := [row["sample_id"] for row in rows if renditions.needed(Medium(**row))]:
        query = sa.select(Medium).where(among(Medium.sample_id, large)).order_by(Medium.id)
        renditions.ask(session, list(session.scalars(query)))


def _add_responses(session: Session, ids: dict[str, int], new: list[Incoming]) -> None:
    rows = [
        {"sample_id": ids[each.sha256], "position": place, "model": reply.model, "text": reply.text}
        for each in new
        for place, reply in enumerate(each.line.responses)
    ]
    if rows:
        session.execute(insert_of(Response, rows))
