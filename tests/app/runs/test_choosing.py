"""Whose run a free trainer takes: by priority, then whoever had least of late."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.db import now
from app.projects.guard import Seat
from app.runs import actions, choosing, claims
from app.runs.choosing import HIGH, LOW, NotWaiting, OnlyAdmins
from app.runs.tables import Run
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def olga(story: stories.Story) -> Seat:
    return cast.seat(story.session, cast.user(story.session, "olga"), story.project, "researcher")


def start(story: stories.Story, seat: Seat | None = None) -> Run:
    config = {"critiques": "human", "base": str(story.base)}
    inputs = {"dataset": story.dataset.id}
    run = actions.start(story.session, seat or story.seat, recipe="reward", name="", config=config, inputs=inputs)
    story.session.commit()
    return run


def order(story: stories.Story) -> list[int]:
    story.session.expire_all()
    return [run.id for run in choosing.in_order(story.session)]


def test_the_older_one_first_and_priority_before_age(story: stories.Story) -> None:
    runs = [start(story) for _ in range(3)]
    ids = [run.id for run in runs]
    assert order(story) == ids
    choosing.put(story.session, story.seat, ids[0], LOW)
    runs[2].priority = HIGH
    story.session.commit()
    assert order(story) == [ids[2], ids[1], ids[0]]
    assert choosing.place(story.session, runs[0]) == (3, 3)


def test_a_hundred_runs_of_one_do_not_keep_another_waiting(story: stories.Story, olga: Seat) -> None:
    ritas = [start(story).id for _ in range(3)]
    claims.take(story.session, ritas[0], "host:1")
    story.session.commit()
    olgas = start(story, olga).id
    assert order(story) == [olgas, *ritas[1:]], "she has none in execution"
    claims.take(story.session, olgas, "host:2")
    story.session.commit()
    assert order(story)[0] == ritas[1]


def test_who_used_the_trainers_longer_of_late_comes_second(story: stories.Story, olga: Seat) -> None:
    spent = start(story)
    spent.claimed_by, spent.started_at, spent.ended_at = None, now() - dt.timedelta(hours=3), now()
    long_ago = start(story, olga)
    long_ago.started_at, long_ago.ended_at = now() - dt.timedelta(days=9), now() - dt.timedelta(days=8)
    story.session.commit()
    ritas, olgas = start(story).id, start(story, olga).id
    assert order(story) == [olgas, ritas]


def test_what_waits_for_another_run_or_is_cancelled_is_passed_over(story: stories.Story) -> None:
    first, second = start(story), start(story)
    actions.cancel(story.session, story.seat, first.id, "")
    story.session.execute(sa.update(Run).where(Run.id == first.id).values(ended_at=None))
    story.session.commit()
    assert choosing.best(story.session) == second.id
    claims.take(story.session, second.id, "host:1")
    assert choosing.best(story.session) is None


def test_only_an_admin_puts_a_run_before_everybody_elses(client: TestClient, story: stories.Story, olga: Seat) -> None:
    run = start(story)
    with pytest.raises(OnlyAdmins):
        choosing.put(story.session, olga, run.id, HIGH)
    cast.sign_in(client, story.session, olga.user)
    page = client.post(f"{story.at}/{run.id}/priority", data={"priority": LOW}).text
    assert "1 of 1 in turn" in page and '<option value="-1" selected>' in page and '<option value="1"' not in page
    boss = cast.seat(story.session, cast.user(story.session, "boss"), story.project, "admin", "researcher")
    choosing.put(story.session, boss, run.id, HIGH)
    run.ended_at = now()
    story.session.flush()
    with pytest.raises(NotWaiting):
        choosing.put(story.session, boss, run.id, LOW)
