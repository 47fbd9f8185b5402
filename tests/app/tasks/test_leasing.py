"""Leasing: nobody gets a task that another holds, nor a sample twice; the order drawn for a person stays."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import now, transaction
from app.core.errors import NotFound
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.tables import Sample
from app.tasks import actions, ahead, flags
from app.tasks.refusals import AlreadyResolved, BadReason, ReasonMissing
from app.tasks.tables import Flag, Lease, Task
from tests import cast


@pytest.fixture
def project(session: Session) -> Project:
    return cast.project(session, cast.user(session, "alice", is_admin=True), overlap=2)


def annotator(session: Session, project: Project, name: str = "bob") -> Seat:
    return cast.seat(session, cast.user(session, name), project, "annotator")


def cut(session: Session, project: Project, samples: int = 1) -> list[Sample]:
    rows = [cast.sample(session, project, f"Question {number}") for number in range(samples)]
    actions.cut_tasks(session, project, cast.user(session, f"cutter{samples}"))
    return rows


def finish(session: Session, lease: Lease | None) -> Lease:
    assert lease is not None
    actions.finish(session, lease)
    return lease


def expire(session: Session, lease: Lease) -> None:
    lease.expires_at = now() - dt.timedelta(seconds=1)
    session.flush()


def test_cutting_makes_overlap_tasks_a_sample_and_twice_is_harmless(session: Session, project: Project) -> None:
    samples, author = cut(session, project, 3), cast.user(session, "zoe")
    assert Counter(session.scalars(sa.select(Task.sample_id))) == {sample.id: 2 for sample in samples}
    assert actions.cut_tasks(session, project, author) == 0
    project.overlap = 3
    assert actions.cut_tasks(session, project, author, [samples[0].id]) == 1


def test_a_replacement_does_not_count_towards_the_overlap(session: Session, project: Project) -> None:
    cut(session, project)
    task = session.scalars(sa.select(Task).order_by(Task.id)).first()
    assert task is not None
    actions.cut_replacement(session, task)
    actions.cut_replacement(session, task)
    assert session.scalars(sa.select(Task.slot).order_by(Task.slot)).all() == [0, 1, 2]
    project.overlap = 3
    assert actions.cut_tasks(session, project, cast.user(session, "zoe")) == 1


def test_coming_back_finds_the_same_task_in_the_same_order(session: Session, project: Project) -> None:
    cut(session, project, 3)
    seat = annotator(session, project)
    first = actions.lease_next(session, seat)
    again = actions.lease_next(session, seat)
    assert first is not None
    assert again is first


def test_the_order_is_a_shuffle_of_the_samples_responses_and_kept_after_the_lease_ran_out(
    session: Session, project: Project
) -> None:
    samples = cut(session, project, 2)
    seat = annotator(session, project)
    first = actions.lease_next(session, seat)
    assert first is not None
    assert sorted(first.order) == sorted(response.id for response in samples[0].responses)
    expire(session, first)
    assert actions.sweep_leases(session) == 1
    again = actions.lease_next(session, seat)
    assert again is not None
    assert again.id != first.id
    assert (again.task_id, again.order) == (first.task_id, first.order)


def test_orders_differ_between_people(session: Session, project: Project) -> None:
    project.overlap = 20
    cut(session, project)
    orders = [actions.lease_next(session, annotator(session, project, f"person{n}")) for n in range(12)]
    assert len({tuple(lease.order) for lease in orders if lease}) > 1


def test_nobody_gets_a_sample_that_they_have_judged_skipped_or_hold(session: Session, project: Project) -> None:
    cut(session, project, 3)
    seat = annotator(session, project)
    judged = finish(session, actions.lease_next(session, seat))
    skipped = actions.lease_next(session, seat)
    assert skipped is not None
    actions.skip(session, seat, skipped.task_id, "I do not know this place")
    third = finish(session, actions.lease_next(session, seat))
    assert len({judged.sample_id, skipped.sample_id, third.sample_id}) == 3
    assert actions.lease_next(session, seat) is None
    other = actions.lease_next(session, annotator(session, project, "dora"))
    assert other is not None


def test_a_task_that_was_given_back_goes_to_the_next_person(session: Session, project: Project) -> None:
    project.overlap = 1
    cut(session, project)
    bob, dora = annotator(session, project), annotator(session, project, "dora")
    held = actions.lease_next(session, bob)
    assert held is not None
    assert actions.lease_next(session, dora) is None
    actions.release(session, bob, held.task_id)
    given = actions.lease_next(session, dora)
    assert given is not None
    assert given.task_id == held.task_id


def test_a_lease_that_ran_out_is_free_for_others_without_waiting_for_the_sweep(
    session: Session, project: Project
) -> None:
    project.overlap = 1
    cut(session, project)
    held = actions.lease_next(session, annotator(session, project))
    assert held is not None
    expire(session, held)
    assert actions.lease_next(session, annotator(session, project, "dora")) is not None


def test_a_skip_needs_a_reason_and_a_flag_a_known_kind(session: Session, project: Project) -> None:
    cut(session, project)
    seat = annotator(session, project)
    held = actions.lease_next(session, seat)
    assert held is not None
    with pytest.raises(ReasonMissing):
        actions.skip(session, seat, held.task_id, "  ")
    with pytest.raises(BadReason):
        actions.skip(session, seat, held.task_id, "x" * 1_000_000)
    with pytest.raises(BadReason):
        flags.flag(session, seat, held.task_id, "boring")
    flags.flag(session, seat, held.task_id, "confusing", "Two options are right")
    assert session.scalars(sa.select(Flag.note)).all() == ["Two options are right"]
    assert held.ended_at is None


def test_a_task_of_another_project_is_not_there(session: Session, project: Project) -> None:
    cut(session, project)
    task_id = session.scalars(sa.select(Task.id)).first()
    dora = cast.user(session, "dora")
    elsewhere = cast.seat(session, dora, cast.project(session, dora, "Forests"), "annotator")
    for verb in (actions.release, actions.hold_for_submission):
        with pytest.raises(NotFound):
            verb(session, elsewhere, task_id or 0)


def test_many_people_at_once_never_exceed_the_overlap(session: Session, project: Project) -> None:
    cut(session, project, 12)
    seats = [annotator(session, project, f"person{number}") for number in range(8)]
    session.commit()

    def work(seat: Seat) -> list[tuple[int, int]]:
        done = []
        while True:
            with transaction() as own:
                lease = actions.lease_next(own, seat)
                if lease is None:
                    return done
                actions.finish(own, lease)
                done.append((lease.sample_id, seat.user.id))

    with ThreadPoolExecutor(8) as pool:
        done = [each for person in pool.map(work, seats) for each in person]
    assert len(done) == len(set(done)) == 24
    assert set(Counter(sample for sample, _ in done).values()) == {2}


def test_a_double_click_takes_one_task(session: Session, project: Project) -> None:
    cut(session, project, 5)
    seat = annotator(session, project)
    session.commit()

    def click(_: int) -> int:
        with transaction() as own:
            lease = actions.lease_next(own, seat)
            assert lease is not None
            return lease.id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(click, range(12)))) == 1


def test_the_next_task_is_kept_ready_and_opened_before_the_queue(session: Session, project: Project) -> None:
    project.overlap = 1
    cut(session, project, 3)
    bob, dora = annotator(session, project), annotator(session, project, "dora")
    assert ahead.reserve_next(session, bob) is None, "nothing is in hand: there is no next"
    first = actions.lease_next(session, bob)
    waiting = ahead.reserve_next(session, bob)
    assert waiting and first and waiting.task_id != first.task_id and waiting.opened_at is None
    assert ahead.reserve_next(session, bob).id == waiting.id  # type: ignore[union-attr]
    assert actions.lease_next(session, bob).id == first.id  # type: ignore[union-attr]
    assert actions.lease_next(session, dora).task_id not in (first.task_id, waiting.task_id)  # type: ignore[union-attr]
    finish(session, first)
    opened = actions.lease_next(session, bob)
    assert opened and opened.id == waiting.id and opened.opened_at
    assert opened.expires_at > now() + ahead.KEPT


def test_a_task_kept_ready_and_never_opened_goes_to_others_soon(session: Session, project: Project) -> None:
    project.overlap = 1
    cut(session, project, 2)
    bob, dora = annotator(session, project), annotator(session, project, "dora")
    actions.lease_next(session, bob)
    waiting = ahead.reserve_next(session, bob)
    assert waiting and actions.lease_next(session, dora) is None
    expire(session, waiting)
    assert actions.lease_next(session, dora).task_id == waiting.task_id  # type: ignore[union-attr]


def test_a_flag_reaches_the_admins_who_resolve_it_once(session: Session, project: Project) -> None:
    cut(session, project)
    bob, alice = annotator(session, project), cast.seat(session, cast.user(session, "ada"), project, "admin")
    held = actions.lease_next(session, bob)
    assert held is not None
    raised = flags.flag(session, bob, held.task_id, "incomplete", "The picture is cut off")
    assert [row.note for row in flags.listed(session, alice, resolved=False)] == ["The picture is cut off"]
    flags.resolve(session, alice, raised.id, "Replaced the picture")
    assert flags.listed(session, alice, resolved=False) == [] and flags.count_open(session, project.id) == 0
    assert flags.listed(session, alice, resolved=True)[0].resolution.note == "Replaced the picture"  # type: ignore[union-attr]
    with pytest.raises(AlreadyResolved):
        flags.resolve(session, alice, raised.id)
