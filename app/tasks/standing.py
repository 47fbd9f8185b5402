"""What is known of a person before they get a task, in one statement; and why the rules give them none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from app.core.db import Session
from app.core.language import gettext as _
from app.core.language import ngettext, told
from app.projects.guard import Seat
from app.samples.tables import Sample
from app.tasks import queries
from app.tasks.record_tables import Admission, Gold, GoldCheck, Pause, Standing
from app.tasks.ruling import Rules, rules_of
from app.tasks.tables import Lane, Lease, Place, Task

LATEST = 20
"""How many of a person's latest holds are looked through for one that ran out: older ones are found by the queue."""


@dataclass(frozen=True)
class Record:
    """A person's record in a project, as far as the search for their next task needs it."""

    rules: Rules
    returned: int | None
    """A task whose annotation was sent back to them, or None."""
    ran_out: int | None
    """A task that they began and whose time ran out, if it is still free."""
    pause: str | None
    admitted: bool
    today: int
    total: int
    daily_quota: int | None
    total_quota: int | None
    languages: tuple[str, ...]
    skills: tuple[str, ...]
    place: tuple[int, int] | None
    """Priority and task id up to which they have come in the queue."""
    full_clusters: tuple[str, ...] = ()


def of(session: Session, seat: Seat) -> Record:
    rules = rules_of(seat.project)
    quotas = bool(rules.daily_quota or rules.total_quota)
    here = {"project": seat.project.id, "person": seat.user.id}
    row = session.execute(_select(bool(rules.pass_mark), bool(rules.total_quota)), here).one()
    return Record(
        rules=rules,
        returned=row.returned,
        ran_out=row.ran_out,
        pause=row.pause,
        admitted=bool(row.admitted),
        today=row.today or 0,
        total=row.total or 0,
        daily_quota=row.daily_quota or rules.daily_quota if quotas or row.daily_quota else None,
        total_quota=row.total_quota or rules.total_quota if quotas or row.total_quota else None,
        languages=tuple(row.languages or ()),
        skills=tuple(row.skills or ()),
        place=None if row.place_task is None else (row.place_priority, row.place_task),
        full_clusters=_full_clusters(session, seat, rules.cluster_quota) if rules.cluster_quota else (),
    )


PROJECT = sa.bindparam("project", type_=sa.BigInteger)
PERSON = sa.bindparam("person", type_=sa.BigInteger)


@cache  # one statement a shape: building it costs several times what running it does
def _select(qualifies: bool, total: bool) -> sa.Select[Any]:
    """qualifies: only those who were let in may begin. total: there is a quota over all days."""
    here = {"project_id": PROJECT, "user_id": PERSON}
    standing = sa.select(Standing).filter_by(**here).subquery()
    place = sa.select(Place).filter_by(**here).subquery()
    pause = sa.select(Pause.reason).filter_by(**here, ended_at=None).scalar_subquery()
    done = sa.select(sa.func.count()).where(
        Task.project_id == PROJECT, Task.done_by_id == PERSON, Task.done_at.is_not(None)
    )
    midnight = sa.func.date_trunc("day", sa.func.now(), "UTC")
    admitted = sa.exists().where(Admission.project_id == PROJECT, Admission.user_id == PERSON)
    alone = sa.select(sa.literal(1).label("one")).subquery()
    return sa.select(
        _returned().label("returned"),
        _ran_out().label("ran_out"),
        pause.label("pause"),
        (admitted if qualifies else sa.true()).label("admitted"),
        done.where(Task.done_at >= midnight).scalar_subquery().label("today"),
        (
            done.scalar_subquery() if total else sa.case((standing.c.total_quota.is_not(None), done.scalar_subquery()))
        ).label("total"),
        standing.c.languages,
        standing.c.skills,
        standing.c.daily_quota,
        standing.c.total_quota,
        place.c.priority.label("place_priority"),
        place.c.task_id.label("place_task"),
    ).select_from(alone.outerjoin(standing, sa.true()).outerjoin(place, sa.true()))


def _returned() -> sa.ScalarSelect[int]:
    """The oldest annotation that a reviewer sent back to this person, as its task."""
    return (
        sa.select(sa.func.min(Task.id))
        .where(Task.project_id == PROJECT, Task.done_by_id == PERSON, Task.done_at.is_(None))
        .where(~queries.held())
        .scalar_subquery()
    )


def _ran_out() -> sa.ScalarSelect[int]:
    """A task that they began lately and whose time ran out: their draft waits there.

    A lease that ran out ends at its expiry; one that was given back ends before it.
    """
    latest = sa.select(Lease).where(Lease.user_id == PERSON).order_by(Lease.id.desc()).limit(LATEST).subquery()
    return (
        sa.select(Task.id)
        .join(latest, latest.c.task_id == Task.id)
        .where(latest.c.opened_at.is_not(None), latest.c.ended_at >= latest.c.expires_at)
        .where(Task.project_id == PROJECT, Task.done_at.is_(None), Task.done_by_id.is_(None), ~queries.held())
        .where(~queries.judged_or_skipped(PERSON))
        .order_by(latest.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _full_clusters(session: Session, seat: Seat, quota: int) -> tuple[str, ...]:
    query = (
        sa.select(Sample.cluster)
        .join(Task, Task.sample_id == Sample.id)
        .where(Task.project_id == seat.project.id, Task.done_by_id == seat.user.id, Sample.cluster != "")
        .group_by(Sample.cluster)
        .having(sa.func.count() >= quota)
    )
    return tuple(session.scalars(query))


def closed(record: Record, in_hand: int = 0) -> str | None:
    """Why the rules give this person no new task at all; None where they may look.

    in_hand: tasks that they hold and will submit before a new one.
    """
    if record.pause:
        return _(
            "Your work here is paused: %(reason)s An admin of the project can end the pause.", reason=told(record.pause)
        )
    if record.total_quota and record.total + in_hand >= record.total_quota:
        return ngettext(
            "You have made the %(num)s annotation that this project asks of one person. Thank you.",
            "You have made the %(num)s annotations that this project asks of one person. Thank you.",
            record.total_quota,
        )
    if record.daily_quota and record.today + in_hand >= record.daily_quota:
        return ngettext(
            "You have made the %(num)s annotation of today. The next day begins at midnight UTC.",
            "You have made all %(num)s annotations of today. The next day begins at midnight UTC.",
            record.daily_quota,
        )
    return None


def why_none(session: Session, seat: Seat) -> str | None:
    """Why there is no next task for this person although there may be open ones; None where no rule is the reason."""
    record = of(session, seat)
    if reason := closed(record):
        return reason
    if record.rules.pass_mark and not record.admitted:
        return _failed(session, seat, record.rules.pass_mark)
    return _beyond(session, seat, record)


def _failed(session: Session, seat: Seat, mark: int) -> str:
    passed, made = session.execute(
        sa.select(sa.func.count().filter(GoldCheck.passed), sa.func.count())
        .select_from(GoldCheck)
        .join(Gold)
        .where(Gold.project_id == seat.project.id, Gold.use == "qualification", GoldCheck.user_id == seat.user.id)
    ).one()
    if not made:
        return _("This project asks for a qualification, and its set is empty. An admin can add to it or let you in.")
    return _(
        "You met %(passed)s of the %(made)s tasks of the qualification set; %(mark)s %% are needed. An admin of the "
        "project can let you in or add further tasks to the set.",
        passed=passed,
        made=made,
        mark=mark,
    )


def _beyond(session: Session, seat: Seat, record: Record) -> str | None:
    """Open tasks that ask for a language or skill which the person does not have, or that lie in a full cluster."""
    lanes = session.execute(
        sa.select(Lane.language, Lane.skill).where(
            Lane.project_id == seat.project.id,
            sa.exists().where(
                Task.project_id == Lane.project_id,
                Task.lane_id == Lane.id,
                Task.done_at.is_(None),
                Task.done_by_id.is_(None),
                Task.gold_id.is_(None),
            ),
        )
    ).all()
    languages = {language for language, _skill in lanes} - {"", *record.languages}
    skills = {skill for _language, skill in lanes} - {"", *record.skills}
    if languages or skills:
        wanted = ", ".join(sorted(languages | skills))
        return _("The tasks that are left ask for what is not in your record: %(wanted)s.", wanted=wanted)
    if record.full_clusters and lanes:
        return _("You have made as many annotations as one person may in each of the groups of samples that are left.")
    return None
