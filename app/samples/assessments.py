"""A reward model's assessments of responses, offered to reviewers: never shown to an annotator before they submit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from app.accounts.log import audit
from app.core.db import Session, among, now
from app.core.errors import Conflict
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples.tables import Assessment, Offer, Response, Sample, Uncertainty

BATCH = 1000


class NotOffered(Conflict):
    """There is no standing offer of this run to end."""


class Line(NamedTuple):
    """One response as a score run leaves it."""

    response: int
    reward: float
    critique: str


def standing(session: Session, project_id: int) -> Offer | None:
    """The offer that the project's reviewers read by, if any."""
    return session.scalar(sa.select(Offer).where(Offer.project_id == project_id, Offer.withdrawn_at.is_(None)))


def offer(session: Session, seat: Seat, run_id: int, lines: Iterable[Line]) -> int:
    """Keep the lines and let them stand instead of what was offered before. Returns how many responses are assessed."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(seat.project.id)))
    if (before := standing(session, seat.project.id)) is not None:
        _end(seat, before)
        session.flush()
    kept = sum(_keep(session, seat.project.id, run_id, batch) for batch in _batches(lines))
    _keep_uncertainty(session, run_id)
    session.add(Offer(project_id=seat.project.id, run_id=run_id, user_id=seat.user.id))
    audit(session, seat.user, "assessments.offered", f"run {run_id}", seat.project.id, responses=kept)
    return kept


def withdraw(session: Session, seat: Seat, run_id: int) -> None:
    """Reviewers read them no longer. Raises NotOffered."""
    found = standing(session, seat.project.id)
    if found is None or found.run_id != run_id:
        raise NotOffered(_("This run's assessments are not offered."), f"run {run_id}")
    _end(seat, found)
    audit(session, seat.user, "assessments.withdrawn", f"run {run_id}", seat.project.id)


def _end(seat: Seat, found: Offer) -> None:
    found.withdrawn_at, found.withdrawn_by_id = now(), seat.user.id


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _keep(session: Session, project_id: int, run_id: int, lines: list[Line]) -> int:
    """Those of the project's own responses; what annotators wrote to break a tie is none of them."""
    known = sa.select(Response.id, Response.sample_id).join(Sample).where(Sample.project_id == project_id)
    owner = {
        row.id: row.sample_id for row in session.execute(known.where(among(Response.id, [e.response for e in lines])))
    }
    rows = [
        {"run_id": run_id, "sample_id": owner[each.response], "response_id": each.response, "reward": each.reward,
         "critique": each.critique}
        for each in lines if each.response in owner
    ]  # fmt: skip
    if rows:
        session.execute(insert(Assessment).values(rows).on_conflict_do_nothing())
    return len(rows)


def _keep_uncertainty(session: Session, run_id: int) -> None:
    """Of each sample with two assessed responses or more, as `Uncertainty` says."""
    one, two = aliased(Assessment), aliased(Assessment)
    unlikelier = 2 / (1 + sa.func.exp(sa.func.least(sa.func.abs(one.reward - two.reward), 50)))
    pairs = (
        sa.select(one.run_id, one.sample_id, sa.func.avg(unlikelier))
        .join(two, sa.and_(two.run_id == one.run_id, two.sample_id == one.sample_id, two.id > one.id))
        .where(one.run_id == run_id)
        .group_by(one.run_id, one.sample_id)
    )
    put = insert(Uncertainty).from_select(["run_id", "sample_id", "value"], pairs)
    session.execute(put.on_conflict_do_nothing())


def uncertainty(session: Session, offered: Offer, sample_id: int) -> float | None:
    """None where fewer than two responses are assessed."""
    found = session.get(Uncertainty, (offered.run_id, sample_id))
    return found.value if found else None


def of_sample(session: Session, offered: Offer | None, sample_id: int) -> dict[int, Assessment]:
    """By response."""
    if offered is None:
        return {}
    query = sa.select(Assessment).where(Assessment.run_id == offered.run_id, Assessment.sample_id == sample_id)
    return {each.response_id: each for each in session.scalars(query)}


def rewards(session: Session, offered: Offer) -> list[tuple[int, float]]:
    """Response and reward, by rising response."""
    query = sa.select(Assessment.response_id, Assessment.reward).where(Assessment.run_id == offered.run_id)
    return [(row.response_id, row.reward) for row in session.execute(query.order_by(Assessment.response_id))]
