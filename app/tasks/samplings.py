"""Samplings of a project: what there is to pick from, the pick, and tasks cut from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from app.accounts.log import audit
from app.core.db import Session
from app.core.errors import Conflict, Invalid, NotFound
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples import picking
from app.samples.picking import Candidate, Rule, Stratum
from app.samples.queries import is_aside
from app.samples.sampling_tables import Pick, Sampling
from app.samples.tables import Sample
from app.tasks.cutting import can_be_judged, cut_tasks
from app.tasks.tables import Task

BATCH = 10_000
LISTED = 100
MOST = 1_000_000
"""A cluster is not asked for more, nor is safety or video."""


class BadRule(Invalid):
    """A field of a sampling's rule that cannot be meant."""


class NothingPicked(Conflict):
    """The rule picks no sample of those that there are."""

    advice = N_("Import samples, or ask for more of them.")


def read(form: Mapping[str, str]) -> tuple[Rule, bool]:
    """A form's rule, and whether what has tasks is left out. Empty fields are the rule's own. Raises BadRule."""
    usual = Rule()
    weights = {group: _number(form, f"weight-{group}", usual.weights[group], 1000) for group in picking.TYPES}
    if not any(weights.values()):
        raise BadRule(_("At least one type needs a weight."), f"weight-{picking.TYPES[0]}")
    rule = Rule(
        per_cluster=_number(form, "per_cluster", usual.per_cluster),
        weights=weights,
        apart={group: _number(form, group, picking.ALL) for group in picking.APART},
        hold="hold" in form or "per_cluster" not in form,
        seed=_number(form, "seed", 0, 2**31 - 1),
    )
    return rule, "fresh" in form or "per_cluster" not in form


def _number(form: Mapping[str, str], name: str, usual: int, most: int = MOST) -> int:
    text = form.get(name, "").strip()
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) > most:
        raise BadRule(_("“%(text)s” is no whole number from 0 to %(most)s.", text=text[:40], most=f"{most:,}"), name)
    return int(text)


def counts(session: Session, seat: Seat, fresh: bool) -> Counter[Stratum]:
    """How many samples of each group and cluster there are to pick from."""
    group = _group()
    rows = session.execute(
        sa.select(group, Sample.cluster, sa.func.count()).where(*_there(seat, fresh)).group_by(group, Sample.cluster)
    )
    return Counter({Stratum(name, cluster): many for name, cluster, many in rows})


def _group() -> sa.ColumnElement[str]:
    domain = sa.cast(Sample.domain, sa.Text)
    return sa.case((domain.in_(picking.APART), domain), else_=sa.cast(Sample.question_type, sa.Text))


def _there(seat: Seat, fresh: bool) -> list[sa.ColumnElement[bool]]:
    cut = sa.exists().where(Task.sample_id == Sample.id)
    return [Sample.project_id == seat.project.id, ~is_aside(), *([~cut] if fresh else [])]


def candidates(session: Session, seat: Seat, fresh: bool) -> Iterator[Candidate]:
    """The same samples, one by one: a million of them are never held at once."""
    query = sa.select(Sample.content_sha256, Sample.id, _group(), Sample.cluster).where(*_there(seat, fresh))
    for row in session.execute(query.execution_options(yield_per=BATCH, stream_results=True)):
        yield Candidate(*row)


def make(session: Session, seat: Seat, name: str, rule: Rule, fresh: bool) -> Sampling:
    """Pick and keep the pick. Raises NothingPicked, BadRule."""
    name = " ".join(name.replace("\0", "").split()) or _("Sampling with seed %(seed)s", seed=rule.seed)
    if len(name) > 120:
        raise BadRule(_("A sampling's name has at most 120 characters."), "name")
    there = counts(session, seat, fresh)
    ids = picking.pick(candidates(session, seat, fresh), there, rule)
    if not ids:
        raise NothingPicked(_("The rule picks nothing."), "per_cluster")
    row = Sampling(
        project_id=seat.project.id,
        name=name,
        rule={**asdict(rule), "fresh": fresh},
        raw=dict(picking.totals(there)),
        size=len(ids),
        sha256="",
        user_id=seat.user.id,
    )
    session.add(row)
    session.flush()
    for begin in range(0, len(ids), BATCH):
        values = [{"sampling_id": row.id, "sample_id": each} for each in ids[begin : begin + BATCH]]
        session.execute(insert(Pick), values)
    row.sha256 = picking.fingerprint(session.scalars(sa.select(Sample.content_sha256).join(Pick).where(_of(row))))
    audit(session, seat.user, "samples.picked", f"sampling {row.id}", seat.project.id, size=row.size, seed=rule.seed)
    return row


def _of(row: Sampling) -> sa.ColumnElement[bool]:
    return Pick.sampling_id == row.id


def of_project(session: Session, seat: Seat) -> list[Sampling]:
    """The newest ones."""
    query = sa.select(Sampling).options(joinedload(Sampling.user)).where(Sampling.project_id == seat.project.id)
    return list(session.scalars(query.order_by(Sampling.id.desc()).limit(LISTED)))


def one(session: Session, seat: Seat, sampling_id: int) -> Sampling:
    """Raises NotFound."""
    query = sa.select(Sampling).options(joinedload(Sampling.user))
    row = session.scalar(query.where(Sampling.id == sampling_id, Sampling.project_id == seat.project.id))
    if row is None:
        raise NotFound(_("There is no such sampling in this project."), f"sampling {sampling_id}")
    return row


def within(query: sa.Select[Sample], sampling_id: int) -> sa.Select[Sample]:
    """Only what a sampling picked; everything where it is 0."""
    mine = sa.exists().where(Pick.sample_id == Sample.id, Pick.sampling_id == sampling_id)
    return query.where(mine) if sampling_id else query


def picked(session: Session, row: Sampling) -> Counter[Stratum]:
    """How many of each group and cluster were picked."""
    group = _group()
    query = sa.select(group, Sample.cluster, sa.func.count()).join(Pick, Pick.sample_id == Sample.id).where(_of(row))
    found = session.execute(query.group_by(group, Sample.cluster))
    return Counter({Stratum(name, cluster): many for name, cluster, many in found})


def standing(session: Session, row: Sampling) -> dict[str, int]:
    """judgeable: samples of the pick with two responses or more; cut: those that have tasks."""
    base = sa.select(sa.func.count()).select_from(Pick).join(Sample, Pick.sample_id == Sample.id).where(_of(row))
    cut = sa.exists().where(Task.sample_id == Sample.id)
    return {
        "judgeable": session.scalar(base.where(can_be_judged())) or 0,
        "cut": session.scalar(base.where(cut)) or 0,
    }


def cut(session: Session, seat: Seat, sampling_id: int) -> int:
    """Tasks for the picked samples that can be judged; returns how many were added. Twice is harmless."""
    row = one(session, seat, sampling_id)
    ids = session.scalars(sa.select(Pick.sample_id).where(_of(row)).order_by(Pick.sample_id)).all()
    added = 0
    for begin in range(0, len(ids), BATCH):
        added += cut_tasks(session, seat.project, seat.user, ids[begin : begin + BATCH])
    return added


def composition(raw: Mapping[str, int], got: Mapping[str, int]) -> list[dict[str, Any]]:
    """A line a group, as the paper's Table 1: how many there were and are, with their shares of the images' types."""
    lines = []
    images = {
        "raw": sum(raw.get(each, 0) for each in picking.TYPES),
        "got": sum(got.get(each, 0) for each in picking.TYPES),
    }
    for group in picking.GROUPS:
        line: dict[str, Any] = {"group": group, "raw": raw.get(group, 0), "got": got.get(group, 0)}
        if group in picking.TYPES:
            line |= {f"{side}_share": line[side] / images[side] if images[side] else 0.0 for side in ("raw", "got")}
        lines.append(line)
    return lines
