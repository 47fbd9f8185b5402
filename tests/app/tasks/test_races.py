"""The lease machine under races and in any order: overlap holds, and nothing that was acknowledged is lost."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts.tables import User
from app.annotations import actions as annotating
from app.annotations.tables import Annotation, Draft
from app.core.db import engine, make_session, now, transaction
from app.core.errors import Refusal
from app.projects.guard import Seat
from app.projects.tables import Project
from app.tasks import actions
from app.tasks.refusals import AlreadyJudged, TaskDone, TaskTaken
from app.tasks.tables import Lease, Task
from tests import cast
from tests.app.annotations import desk


class Killed(Exception):
    """The process ended before it could commit."""


@contextmanager
def request(killed: bool) -> Iterator[Session]:
    """One request in a transaction of its own; nothing of a killed one stays."""
    try:
        with transaction() as own:
            yield own
            if killed:
                raise Killed
    except (Killed, Refusal):
        pass


def let_time_pass(session: Session) -> None:
    session.execute(sa.update(Lease).where(Lease.ended_at.is_(None)).values(expires_at=now()))
    session.commit()


STEPS = st.tuples(
    st.sampled_from(["next", "next", "renew", "submit", "submit", "again", "skip", "release", "expire", "sweep"]),
    st.integers(0, 2),
    st.booleans().filter(bool) | st.booleans(),
)


def test_in_any_order_of_steps_overlap_holds_and_nothing_is_lost(session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    names = [cast.user(session, f"person{number}") for number in range(3)]
    session.commit()
    numbers = iter(range(10_000))

    @settings(
        max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(STEPS, min_size=5, max_size=25))
    def story(steps: list[tuple[str, int, bool]]) -> None:
        number = next(numbers)
        project = cast.project(session, alice, f"Project {number}", overlap=2)
        seats = [cast.seat(session, person, project, "annotator") for person in names]
        for place in range(2):
            cast.sample(session, project, f"Question {number} {place}")
        actions.cut_tasks(session, project, alice)
        session.commit()
        told: dict[tuple[int, int], str] = {}
        held: dict[int, tuple[int, int]] = {}
        for step, who, alive in steps:
            take(step, seats[who], not alive, held, told, session)
        check(session, project, told)

    story()


def take(
    step: str,
    seat: Seat,
    killed: bool,
    held: dict[int, tuple[int, int]],
    told: dict[tuple[int, int], str],
    session: Session,
) -> None:
    """One step of one person. told: (sample, person) → key of what was acknowledged to them."""
    person = seat.user.id
    if step == "expire":
        return let_time_pass(session)
    with request(killed) as own:
        if step == "sweep":
            actions.sweep_leases(own)
        elif step == "next":
            if (lease := actions.lease_next(own, seat)) and not killed:
                held[person] = (lease.task_id, lease.sample_id)
        elif person in held:
            _work(step, own, seat, held[person], killed, told)


def _work(
    step: str, own: Session, seat: Seat, at: tuple[int, int], killed: bool, told: dict[tuple[int, int], str]
) -> None:
    task_id, sample_id = at
    task = own.get_one(Task, task_id)
    if step == "renew":
        annotating.save_draft(own, seat, task_id, {"rank_reason": "so far"})
    elif step == "skip":
        actions.skip(own, seat, task_id, "not mine")
    elif step == "release":
        actions.release(own, seat, task_id)
    else:
        known = told.get((sample_id, seat.user.id))
        key = known if step == "again" and known else f"{sample_id} {seat.user.id}"
        annotation = annotating.submit(own, seat, task_id, desk.content(task.sample), key)
        assert annotation.sample_id == sample_id
        if not killed:
            told[sample_id, seat.user.id] = key


def check(session: Session, project: Project, told: dict[tuple[int, int], str]) -> None:
    session.rollback()
    made = session.execute(
        sa.select(Annotation.sample_id, Annotation.user_id, Annotation.idempotency_key).filter_by(project_id=project.id)
    ).all()
    assert {(sample, person): key for sample, person, key in made} == told, "what was acknowledged is there, once"
    assert max(Counter(sample for sample, _, _ in made).values(), default=0) <= 2
    tasks = session.scalars(sa.select(Task).filter_by(project_id=project.id)).all()
    assert len(tasks) == 4 and sum(task.done_at is not None for task in tasks) == len(made)
    leases = sa.select(Lease.task_id).join(Task).where(Task.project_id == project.id, Lease.ended_at.is_(None))
    open_ones = session.scalars(leases).all()
    assert len(open_ones) == len(set(open_ones))
    assert not {task.id for task in tasks if task.done_at} & set(open_ones)


def _work_through(project_id: int, person_id: int) -> list[tuple[int, int]]:
    done = []
    while True:
        with transaction() as own:
            seat = Seat(own.get_one(User, person_id), own.get_one(Project, project_id), frozenset({"annotator"}))
            lease = actions.lease_next(own, seat)
            if lease is None:
                return done
            row = annotating.submit(own, seat, lease.task_id, desk.content(lease.task.sample), f"key {lease.id}")
            done.append((row.sample_id, person_id))


def _in_a_process(project_id: int, people: list[int], answers: multiprocessing.Queue[list[tuple[int, int]]]) -> None:
    engine.cache_clear()
    with ThreadPoolExecutor(len(people)) as pool:
        found = list(pool.map(_work_through, [project_id] * len(people), people))
    answers.put([each for person in found for each in person])


def test_processes_and_threads_at_once_never_exceed_the_overlap(session: Session) -> None:
    project = desk.project(session, samples=8, overlap=3)
    people = [desk.annotator(session, project, f"person{number}").user.id for number in range(6)]
    session.commit()
    engine().dispose()
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    crew = [
        context.Process(target=_in_a_process, args=(project.id, part, answers)) for part in (people[:3], people[3:])
    ]
    for process in crew:
        process.start()
    done = [each for _ in crew for each in answers.get(timeout=120)]
    for process in crew:
        process.join(30)
    assert len(done) == len(set(done)) == 24
    assert set(Counter(sample for sample, _ in done).values()) == {3}


def test_the_same_submission_many_times_at_once_makes_one_annotation(session: Session) -> None:
    project = desk.project(session)
    bob = desk.annotator(session, project)
    held = desk.lease(session, bob)
    content, task_id = desk.content(held.task.sample), held.task_id
    session.commit()

    def send(_: int) -> int:
        with transaction() as own:
            return annotating.submit(own, bob, task_id, content, "one key").id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(send, range(12)))) == 1


def test_the_database_itself_refuses_what_would_exceed_the_overlap(session: Session) -> None:
    project = desk.project(session, samples=1)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    made = desk.annotate(session, bob)
    session.commit()
    fields = {"project_id": project.id, "sample_id": made.sample_id, "order": [], "active_seconds": 0.0}
    for wrong in (
        Annotation(**fields, task_id=made.task_id, user_id=dora.user.id, idempotency_key="a"),
        Task(project_id=project.id, sample_id=made.sample_id, slot=0, lane_id=made.task.lane_id),
    ):
        with make_session() as own:
            own.add(wrong)
            with pytest.raises(IntegrityError):
                own.commit()


def test_work_without_a_lease_or_on_a_finished_task_is_refused_and_kept(session: Session) -> None:
    project = desk.project(session, samples=1)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    held = desk.lease(session, bob)
    content, task_id = desk.content(held.task.sample), held.task_id
    with pytest.raises(TaskTaken):
        annotating.submit(session, dora, task_id, content, "without a lease")
    annotating.keep(session, dora, task_id, content, 3.0)
    annotating.submit(session, bob, task_id, content, "bob's")
    with pytest.raises((TaskDone, TaskTaken)):
        annotating.submit(session, dora, task_id, content, "too late")
    with pytest.raises(AlreadyJudged):
        annotating.submit(session, bob, task_id, content, "another key")
    kept = session.scalars(sa.select(Draft).filter_by(task_id=task_id, user_id=dora.user.id)).one()
    assert kept.content["ranking"] == content["ranking"]
