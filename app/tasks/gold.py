"""Gold: samples whose right answer is known. How a person meets them, and how their annotation compares."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.accounts.tables import User
from app.core.db import Session, now
from app.core.errors import NotFound
from app.core.language import gettext as _
from app.core.language import plain
from app.projects.guard import Seat
from app.projects.rubric import Rubric
from app.samples.tables import Sample
from app.tasks import cutting, queries
from app.tasks.record_tables import USES, Admission, Gold, GoldCheck, Pause
from app.tasks.refusals import AlreadyGold, BadGold
from app.tasks.ruling import Rules, rules_of
from app.tasks.tables import Lease, Skip, Task

LONGEST = 10_000


class Outcome(NamedTuple):
    """hits of expected scores and pairs were met; `misses` says which were not.

    A miss: {"place": "scores.<response>.<criterion>", "expected": 4, "given": 1}, or
    {"place": "ranking", "expected": [better, worse]}.
    """

    hits: int
    expected: int
    misses: list[dict[str, Any]]

    @property
    def passed(self) -> bool:
        return not self.misses


def compare(gold: Gold, scores: Mapping[str, Mapping[str, int]], ranking: Sequence[Sequence[str]]) -> Outcome:
    """A judgement beside the gold: every expected score within the tolerance, every expected pair in its order."""
    misses: list[dict[str, Any]] = []
    expected = 0
    for response, marks in gold.scores.items():
        for key, score in marks.items():
            expected += 1
            given = scores.get(response, {}).get(key)
            if given is None or abs(given - score) > gold.tolerance:
                misses.append({"place": f"scores.{response}.{key}", "expected": score, "given": given})
    ranks = {response: rank for rank, group in enumerate(ranking) for response in group}
    for better, worse in gold.pairs:
        expected += 1
        if better not in ranks or worse not in ranks or ranks[better] >= ranks[worse]:
            misses.append({"place": "ranking", "expected": [better, worse]})
    return Outcome(expected - len(misses), expected, misses)


def make(
    session: Session,
    seat: Seat,
    sample_id: int,
    use: str,
    scores: dict[str, dict[str, int]],
    pairs: list[list[str]],
    tolerance: int,
    reason: str,
) -> Gold:
    """Say what is right for a sample. Its open tasks leave the queue. Raises NotFound, BadGold, AlreadyGold.

    use: hidden (mixed in unseen), qualification, or practice (a worked example that stores nothing).
    """
    sample = session.scalar(sa.select(Sample).filter_by(id=sample_id, project_id=seat.project.id).with_for_update())
    if sample is None:
        raise NotFound(where="sample")
    if use not in USES:
        raise BadGold(_("Gold is hidden, qualification or practice."), "use")
    _check(sample, seat.rubric, scores, pairs, tolerance, reason)
    gold = session.scalar(sa.select(Gold).filter_by(sample_id=sample_id)) or Gold(
        project_id=seat.project.id, sample_id=sample_id, author_id=seat.user.id
    )
    if gold.id and gold.retired_at is None:
        raise AlreadyGold(_("The answer of this sample is known already."), "sample", _("Retire it first."))
    gold.use, gold.scores, gold.pairs, gold.tolerance, gold.reason = use, scores, pairs, tolerance, reason.strip()
    gold.retired_at, gold.author_id = None, seat.user.id
    session.add(gold)
    session.flush()
    open_ones = sa.update(Task).where(Task.sample_id == sample_id, Task.done_at.is_(None), Task.done_by_id.is_(None))
    session.execute(open_ones.values(gold_id=gold.id).execution_options(synchronize_session=False))
    audit(session, seat.user, "gold.made", f"sample {sample_id}", seat.project.id, use=use)
    return gold


def _check(
    sample: Sample,
    rubric: Rubric,
    scores: dict[str, dict[str, int]],
    pairs: list[list[str]],
    tolerance: int,
    reason: str,
) -> None:
    ids = {str(response.id) for response in sample.responses}
    named = {*scores, *(response for pair in pairs for response in pair)}
    if not named <= ids:
        raise BadGold(_("The gold names a response that this sample does not have."), "scores")
    marks = [(key, score) for each in scores.values() for key, score in each.items()]
    if any(key not in rubric.keys or not 1 <= score <= 5 for key, score in marks):
        raise BadGold(_("A score is 1 to 5 on a criterion of this project."), "scores")
    if any(len(pair) != 2 or pair[0] == pair[1] for pair in pairs):
        raise BadGold(_("A pair is a better and a worse response."), "pairs")
    if not 0 <= tolerance <= 4:
        raise BadGold(_("The tolerance is 0 to 4 points."), "tolerance")
    if not marks and not pairs:
        raise BadGold(_("Gold expects at least one score or one pair."), "scores")
    if not reason.strip() or len(reason) > LONGEST or "\0" in reason:
        raise BadGold(_("Say why this is right: who practises reads it."), "reason")


def retire(session: Session, seat: Seat, gold_id: int) -> None:
    """The gold is shown to nobody any more; how people met it stays. Raises NotFound."""
    gold = one(session, seat, gold_id)
    if gold.retired_at is None:
        gold.retired_at = now()
        audit(session, seat.user, "gold.retired", f"sample {gold.sample_id}", seat.project.id)


def one(session: Session, seat: Seat, gold_id: int) -> Gold:
    """Raises NotFound."""
    gold = session.scalar(sa.select(Gold).filter_by(id=gold_id, project_id=seat.project.id))
    if gold is None:
        raise NotFound(where="gold")
    return gold


def next_task(session: Session, seat: Seat, use: str) -> Task | None:
    """A task, locked, on gold of this use that the person has not met; None where there is none."""
    mine = sa.select(Task.id).where(Task.done_by_id == seat.user.id, Task.sample_id == Gold.sample_id)
    skipped = sa.exists().where(Skip.user_id == seat.user.id, Skip.sample_id == Gold.sample_id)
    own = sa.exists().where(Lease.user_id == seat.user.id, Lease.sample_id == Gold.sample_id, Lease.ended_at.is_(None))
    fresh = sa.select(Gold).where(Gold.project_id == seat.project.id, Gold.use == use, Gold.retired_at.is_(None))
    found = session.scalars(fresh.where(~mine.exists(), ~skipped, ~own).order_by(Gold.id)).all()
    if not found:
        return None
    return spare(session, found[0] if use == "qualification" else random.SystemRandom().choice(found))


def spare(session: Session, gold: Gold) -> Task:
    """A task of the gold's sample that nobody holds, locked; cut where there is none."""
    free = session.scalar(
        sa.select(Task)
        .where(Task.gold_id == gold.id, Task.done_at.is_(None), Task.done_by_id.is_(None), ~queries.held())
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if free:
        return free
    session.execute(sa.select(Gold.id).where(Gold.id == gold.id).with_for_update())  # slots are given one by one
    slot = sa.select(sa.func.coalesce(sa.func.max(Task.slot) + 1, 0)).where(Task.sample_id == gold.sample_id)
    return session.scalars(
        insert(Task)
        .values(
            project_id=gold.project_id,
            sample_id=gold.sample_id,
            slot=slot.scalar_subquery(),
            priority=0,
            lane_id=cutting.plain_lane(session, gold.project_id),
            gold_id=gold.id,
            out_of_turn=False,
        )
        .returning(Task)
    ).one()


def is_drawn(rules: Rules) -> bool:
    """Whether a person's next task is to be gold, by the share that the project asks for."""
    return bool(rules.gold_percent) and random.SystemRandom().random() * 100 < rules.gold_percent


def record(session: Session, seat: Seat, user: User, task: Task, content: Mapping[str, Any]) -> GoldCheck | None:
    """Compare a submitted annotation with its sample's gold, if it has any; twice keeps the latest.

    Then whoever met the whole qualification set is let in if they reach the mark, and who fell below the threshold is
    paused.
    """
    if task.gold_id is None:
        return None
    gold = session.get_one(Gold, task.gold_id)
    outcome = compare(gold, content.get("scores", {}), content.get("ranking", []))
    check = session.get(GoldCheck, task.id) or GoldCheck(task_id=task.id, gold_id=gold.id, user_id=user.id)
    check.passed, check.hits, check.expected, check.misses = outcome.passed, *outcome
    session.add(check)
    session.flush()
    rules = rules_of(seat.project)
    if gold.use == "qualification" and rules.pass_mark:
        _admit(session, seat, user, rules.pass_mark)
    elif gold.use == "hidden" and rules.pause_below:
        _pause(session, seat, user, rules, rules.pause_below)
    return check


def forget(session: Session, task: Task) -> None:
    """The annotation was taken back: it was not met."""
    session.execute(sa.delete(GoldCheck).where(GoldCheck.task_id == task.id))


def _admit(session: Session, seat: Seat, user: User, mark: int) -> None:
    of_set = (
        sa.select(sa.func.count())
        .select_from(Gold)
        .where(Gold.project_id == seat.project.id, Gold.use == "qualification", Gold.retired_at.is_(None))
    )
    met = of_set.join(GoldCheck, GoldCheck.gold_id == Gold.id).where(GoldCheck.user_id == user.id)
    size, passed, made = session.execute(
        sa.select(of_set.scalar_subquery(), met.where(GoldCheck.passed).scalar_subquery(), met.scalar_subquery())
    ).one()
    if made < size or passed * 100 < mark * made:
        return
    reason = plain("met %(passed)s of %(made)s of the qualification set", passed=passed, made=made)
    put = insert(Admission).values(project_id=seat.project.id, user_id=user.id, reason=reason)
    session.execute(put.on_conflict_do_nothing())
    audit(session, None, "queue.admitted", f"user {user.id}", seat.project.id, passed=passed, made=made)


def latest_checks(session: Session, project_id: int, user_id: int, limit: int) -> list[GoldCheck]:
    """A person's latest hidden gold since their last pause ended, newest first."""
    since = (
        sa.select(sa.func.max(Pause.ended_at))
        .where(Pause.project_id == project_id, Pause.user_id == user_id)
        .scalar_subquery()
    )
    return list(
        session.scalars(
            sa.select(GoldCheck)
            .join(Gold)
            .where(Gold.project_id == project_id, Gold.use == "hidden", GoldCheck.user_id == user_id)
            .where(GoldCheck.created_at > sa.func.coalesce(since, sa.text("'-infinity'::timestamptz")))
            .order_by(GoldCheck.created_at.desc(), GoldCheck.task_id.desc())
            .limit(limit)
        )
    )


def _pause(session: Session, seat: Seat, user: User, rules: Rules, below: int) -> None:
    latest = latest_checks(session, seat.project.id, user.id, rules.pause_of)
    passed = sum(check.passed for check in latest)
    if len(latest) < rules.pause_from or passed * 100 >= below * len(latest):
        return
    reason = plain(
        "%(passed)s of the latest %(many)s tasks whose answer is known were met; %(below)s %% are needed.",
        passed=passed,
        many=len(latest),
        below=below,
    )
    session.execute(
        insert(Pause).values(project_id=seat.project.id, user_id=user.id, reason=reason).on_conflict_do_nothing()
    )
    audit(session, None, "queue.paused", f"user {user.id}", seat.project.id, passed=passed, of=len(latest))
