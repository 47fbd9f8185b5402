"""Curating: samples set aside or brought back, tagged; clusters renamed and merged.

Each verb takes a selection, so that a lasso, a cluster and a filtered list are one thing.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.log import audit
from app.core.db import Session
from app.core.errors import Conflict, Invalid, NotFound
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples.curating_tables import SetAside, Tag
from app.samples.queries import Filters, matching
from app.samples.tables import Sample

LONGEST_NAME = 60
LONGEST_REASON = 500


class BadTag(Invalid):
    """A tag or a cluster's name that is empty or too long."""


class ClusterThere(Conflict):
    """Another cluster has the name already."""

    advice = N_("Merge the two, if they are one.")


class NothingSelected(Conflict):
    """The selection holds no sample, or names nothing by which it is narrower than the whole project."""


def set_aside(session: Session, seat: Seat, filters: Filters, reason: str = "") -> int:
    """Leave the selection out of picks and of tasks that are cut later; returns how many are new. Raises
    NothingSelected.
    """
    refuse_everything(filters)
    reason = reason.replace("\0", "").strip()[:LONGEST_REASON]
    chosen = matching(seat, filters).with_only_columns(Sample.id, sa.literal(seat.user.id), sa.literal(reason))
    statement = insert(SetAside).from_select(["sample_id", "user_id", "reason"], chosen).on_conflict_do_nothing()
    many = len(session.scalars(statement.returning(SetAside.sample_id)).all())
    _refuse_nothing(session, seat, filters, many)
    audit(session, seat.user, "samples.set_aside", f"project {seat.project.id}", seat.project.id, count=many)
    return many


def bring_back(session: Session, seat: Seat, filters: Filters) -> int:
    """Take the selection in again; returns how many had been set aside. Raises NothingSelected."""
    refuse_everything(filters)
    chosen = matching(seat, filters).with_only_columns(Sample.id)
    statement = sa.delete(SetAside).where(SetAside.sample_id.in_(chosen)).returning(SetAside.sample_id)
    many = len(session.scalars(statement.execution_options(synchronize_session=False)).all())
    _refuse_nothing(session, seat, filters, many)
    audit(session, seat.user, "samples.brought_back", f"project {seat.project.id}", seat.project.id, count=many)
    return many


def tag(session: Session, seat: Seat, filters: Filters, word: str, off: bool = False) -> int:
    """Give the selection a tag, or take it off; returns how many changed. Raises BadTag, NothingSelected."""
    refuse_everything(filters)
    word = _checked(word, "tag")
    chosen = matching(seat, filters)
    if off:
        ids = chosen.with_only_columns(Sample.id)
        deleted = sa.delete(Tag).where(Tag.tag == word, Tag.sample_id.in_(ids)).returning(Tag.sample_id)
        many = len(session.scalars(deleted.execution_options(synchronize_session=False)).all())
    else:
        columns = chosen.with_only_columns(Sample.id, sa.literal(word))
        added = insert(Tag).from_select(["sample_id", "tag"], columns).on_conflict_do_nothing()
        many = len(session.scalars(added.returning(Tag.sample_id)).all())
    _refuse_nothing(session, seat, filters, many)
    action = "samples.untagged" if off else "samples.tagged"
    audit(session, seat.user, action, f"project {seat.project.id}", seat.project.id, tag=word, count=many)
    return many


def refuse_everything(filters: Filters) -> None:
    """Raises NothingSelected where nothing narrows the selection."""
    if not filters.narrows():
        raise NothingSelected(_("Narrow the selection first: this would be every sample of the project."), "selection")


def _refuse_nothing(session: Session, seat: Seat, filters: Filters, many: int) -> None:
    if not many and session.scalar(matching(seat, filters).with_only_columns(Sample.id).limit(1)) is None:
        raise NothingSelected(_("No sample is in this selection."), "selection")


def _checked(word: str, where: str) -> str:
    word = " ".join(word.replace("\0", "").split())
    if not word or len(word) > LONGEST_NAME:
        raise BadTag(_("A name has 1 to %(most)s characters.", most=LONGEST_NAME), where)
    return word


class Cluster(NamedTuple):
    """A cluster of a project: how many samples it has, how many of them are set aside, and its types."""

    name: str
    size: int
    aside: int
    long: int
    short: int
    mcq: int


def clusters(session: Session, seat: Seat) -> list[Cluster]:
    """Every cluster, in the order of names."""
    kind = sa.cast(Sample.question_type, sa.Text)
    count = sa.func.count
    query = (
        sa.select(
            Sample.cluster,
            count(),
            count(SetAside.sample_id),
            *(count().filter(kind == each) for each in ("long", "short", "mcq")),
        )
        .outerjoin(SetAside, SetAside.sample_id == Sample.id)
        .where(Sample.project_id == seat.project.id, Sample.cluster != "")
        .group_by(Sample.cluster)
        .order_by(Sample.cluster)
    )
    return [Cluster._make(row) for row in session.execute(query)]


def wall(session: Session, seat: Seat, names: list[str], each: int) -> dict[str, list[Sample]]:
    """The first samples of each named cluster."""
    place = sa.func.row_number().over(partition_by=Sample.cluster, order_by=Sample.id).label("place")
    mine = sa.select(Sample.id, place).where(Sample.project_id == seat.project.id, Sample.cluster.in_(names)).subquery()
    found: dict[str, list[Sample]] = {}
    query = sa.select(Sample).join(mine, mine.c.id == Sample.id).where(mine.c.place <= each).order_by(Sample.id)
    for sample in session.scalars(query.options(sa.orm.selectinload(Sample.media))):
        found.setdefault(sample.cluster, []).append(sample)
    return found


def rename(session: Session, seat: Seat, name: str, new: str) -> None:
    """Raises NotFound, BadTag, ClusterThere."""
    new = _checked(new, "name")
    if new != name and _size(session, seat, new):
        raise ClusterThere(_("There is a cluster “%(name)s” already.", name=new), "name")
    _move(session, seat, [name], new)
    audit(session, seat.user, "cluster.renamed", f"cluster {name}", seat.project.id, name=new)


def merge(session: Session, seat: Seat, names: list[str], into: str) -> int:
    """All samples of the named clusters under one name; returns how many that are. Raises NotFound, BadTag,
    NothingSelected.
    """
    if not names:
        raise NothingSelected(_("Tick the clusters to merge first."), "names")
    into = _checked(into, "into")
    many = _move(session, seat, names, into)
    audit(session, seat.user, "cluster.merged", f"cluster {into}", seat.project.id, of=", ".join(names)[:200])
    return many


def _move(session: Session, seat: Seat, names: list[str], new: str) -> int:
    mine = (Sample.project_id == seat.project.id, Sample.cluster.in_(names), Sample.cluster != "")
    moved = sa.update(Sample).where(*mine).values(cluster=new).returning(Sample.id)
    many = len(session.scalars(moved.execution_options(synchronize_session=False)).all())
    if not many:
        raise NotFound(_("There is no such cluster in this project."), "cluster")
    return many


def _size(session: Session, seat: Seat, name: str) -> int:
    query = sa.select(sa.func.count()).where(Sample.project_id == seat.project.id, Sample.cluster == name)
    return session.scalar(query) or 0


def tags(session: Session, seat: Seat) -> list[tuple[str, int]]:
    """The project's tags with how many samples have each, the most used first."""
    query = sa.select(Tag.tag, sa.func.count()).join(Sample).where(Sample.project_id == seat.project.id)
    rows = session.execute(query.group_by(Tag.tag).order_by(sa.func.count().desc(), Tag.tag).limit(200))
    return [(word, many) for word, many in rows]


def aside_of(session: Session, sample_ids: list[int]) -> dict[int, str]:
    """Those of the samples that are set aside, with the reason."""
    rows = session.execute(sa.select(SetAside.sample_id, SetAside.reason).where(SetAside.sample_id.in_(sample_ids)))
    return {row.sample_id: row.reason for row in rows}
