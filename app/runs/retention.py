"""What a project keeps of its checkpoints by rule: the last, the best, the promoted; never less than what is used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.accounts.actions import audit
from app.core.db import Session, now
from app.core.jobs import nudge
from app.core.language import N_, plain
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.projects.tables import Project
from app.runs import discarding, queries, registry
from app.runs.refusals import BadRule
from app.runs.registry_tables import CheckpointDeletion, RetentionRule
from app.runs.tables import Checkpoint, Run, RunInput

FIGURE = "accuracy"
"""The number of a run's result by which the best are found."""

MOST = 10_000
"""The largest number that a rule may say."""

BY_RULE = N_("The project's rule of retention no longer keeps it.")


@dataclass(frozen=True)
class Rule:
    """Keep the last and the best of each kind, and whatever is younger than so many days. `applies`: at all."""

    applies: bool = False
    keep_last: int = 3
    keep_best: int = 1
    min_days: int = 14


@dataclass(frozen=True)
class Entry:
    """What a rule asks of one checkpoint."""

    id: int
    kind: str
    made_at: dt.datetime
    figure: float | None
    promoted: str | None
    users: tuple[int, ...]
    """Runs that read it or begin from it."""


@dataclass(frozen=True)
class Fate:
    """Whether a checkpoint would go, and what keeps it."""

    entry: Entry
    reasons: tuple[str, ...]

    @property
    def goes(self) -> bool:
        return not self.reasons


def fates(entries: Sequence[Entry], rule: Rule, at: dt.datetime) -> list[Fate]:
    """The fate of every checkpoint under a rule, in the order given. Pure: preview and deletion ask the same."""
    last, best = set[int](), set[int]()
    for kind in {entry.kind for entry in entries}:
        own = [entry for entry in entries if entry.kind == kind]
        newest = sorted(own, key=lambda entry: (entry.made_at, entry.id), reverse=True)
        ranked = sorted((each for each in newest if each.figure is not None), key=_figure, reverse=True)
        last |= {entry.id for entry in newest[: rule.keep_last]}
        best |= {entry.id for entry in ranked[: rule.keep_best]}
    return [Fate(entry, tuple(_reasons(entry, rule, at, last, best))) for entry in entries]


def _figure(entry: Entry) -> float:
    return entry.figure or 0.0


def _reasons(entry: Entry, rule: Rule, at: dt.datetime, last: set[int], best: set[int]) -> list[str]:
    """In English: shown through `told`."""
    found = [N_("promoted")] if entry.promoted else []
    if entry.users:
        found.append(plain(N_("used by run %(runs)s"), runs=", ".join(f"#{each}" for each in entry.users[:5])))
    if entry.id in last:
        found.append(N_("among the last"))
    if entry.id in best:
        found.append(N_("among the best"))
    if at - entry.made_at < dt.timedelta(days=rule.min_days):
        found.append(N_("too young"))
    return found


def checked(rule: Rule) -> Rule:
    """Raises BadRule."""
    for name in ("keep_last", "keep_best", "min_days"):
        if not 0 <= getattr(rule, name) <= MOST:
            raise BadRule(_("Say a number from 0 to %(most)s.", most=f"{MOST:,}"), name)
    if rule.applies and not rule.keep_last + rule.keep_best:
        raise BadRule(_("Keep at least one: the last or the best."), "keep_last")
    return rule


def rule_of(session: Session, project_id: int) -> Rule:
    """The rule that holds: what somebody decided, else one that deletes nothing."""
    row = registry.rule(session, project_id)
    return Rule(row.applies, row.keep_last, row.keep_best, row.min_days) if row else Rule()


def decide(session: Session, seat: Seat, rule: Rule) -> RetentionRule:
    """The rule that holds from now on; it is applied soon, and then again and again. Raises BadRule."""
    rule = checked(rule)
    made = RetentionRule(project_id=seat.project.id, user_id=seat.user.id, **vars(rule))
    session.add(made)
    session.flush()
    audit(session, seat.user, "checkpoints.rule", f"project {seat.project.id}", seat.project.id, **vars(rule))
    nudge(session, "tidy_checkpoints")
    return made


def preview(session: Session, project_id: int, rule: Rule) -> list[tuple[Checkpoint, Fate]]:
    """Every checkpoint that is there with its fate, newest first. Raises BadRule."""
    found = _present(session, project_id)
    used = _users(session, found)
    entries = [_entry(one, used.get(one.run_id, ())) for one in found]
    return list(zip(found, fates(entries, checked(rule), now()), strict=True))


def _present(session: Session, project_id: int) -> list[Checkpoint]:
    query = (
        sa.select(Checkpoint)
        .join(Checkpoint.run)
        .outerjoin(Checkpoint.deletion)
        .options(sa.orm.joinedload(Checkpoint.run), sa.orm.selectinload(Checkpoint.promotions))
        .where(Run.project_id == project_id, CheckpointDeletion.id.is_(None))
    )
    return list(session.scalars(query.order_by(Checkpoint.id.desc())))


def _users(session: Session, found: Sequence[Checkpoint]) -> dict[int, tuple[int, ...]]:
    """Run of a checkpoint → the runs that use it."""
    rows = session.execute(
        sa.select(RunInput.from_run_id, RunInput.run_id)
        .where(RunInput.from_run_id.in_([one.run_id for one in found]))
        .order_by(RunInput.run_id)
    )
    used: dict[int, tuple[int, ...]] = {}
    for source, reader in rows:
        used[source or 0] = (*used.get(source or 0, ()), reader)
    for source, run in queries.begun_from(session, found[0].run.project_id) if found else []:
        used[source] = (*used.get(source, ()), run)
    return used


def _entry(one: Checkpoint, users: tuple[int, ...]) -> Entry:
    promotion = registry.standing_of(one)
    figure = (one.run.result or {}).get(FIGURE)
    number = float(figure) if isinstance(figure, int | float) else None
    return Entry(one.id, one.kind, one.created_at, number, promotion.standing if promotion else None, users)


def apply(session: Session) -> int:
    """Give up what the projects' rules no longer keep. Returns how many checkpoints. Twice is harmless."""
    many = 0
    for project_id in session.scalars(sa.select(RetentionRule.project_id).distinct()).all():
        rule = rule_of(session, project_id)
        if rule.applies:
            session.execute(sa.select(Project.id).where(Project.id == project_id).with_for_update())
            many += _apply(session, project_id, rule)
    return many


def _apply(session: Session, project_id: int, rule: Rule) -> int:
    """The checkpoints are held while it is asked who uses them: a run that starts meanwhile holds them too."""
    ids = [one.id for one, fate in preview(session, project_id, rule) if fate.goes]
    session.execute(sa.select(Checkpoint.id).where(Checkpoint.id.in_(ids)).with_for_update())
    session.expire_all()
    going = [one for one, fate in preview(session, project_id, rule) if fate.goes and one.id in ids]
    for one in going:
        discarding.give_up(session, one, None, BY_RULE)
        audit(session, None, "checkpoint.deleted", f"run {one.run_id}", project_id, kind=one.kind, by="rule")
    return len(going)
