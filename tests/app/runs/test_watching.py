"""What a live page is told: thinned curves, places in the log, and one look at the database for all viewers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.core import storage
from app.core.db import now
from app.runs import history, live, noticing, repeats, searching
from app.runs.history import Point
from app.runs.tables import Metric, Run
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def rita(client: TestClient, story: stories.Story) -> TestClient:
    return cast.sign_in(client, story.session, story.seat.user)


def say(session: Session, run: Run, line: int, kind: str = "metric", **payload: object) -> None:
    session.add(Metric(run_id=run.id, line=line, kind=kind, payload=payload, at=now()))
    session.commit()


def metric(step: int, value: float | None) -> dict[str, object]:
    return {"step": step, "split": "train", "values": {"loss": value}, "at": 100.0 + step}


def test_thinning_keeps_spikes_gaps_and_both_ends() -> None:
    points = [Point(step, float(step), 1.0 + step % 7) for step in range(50_000)]
    points[31_234] = points[31_234]._replace(value=99.0)
    points[777] = points[777]._replace(value=-5.0)
    points[40_001] = points[40_001]._replace(value=None)
    kept = history.thinned(points)
    assert len(kept) <= 2 * history.BUCKETS + 3
    assert {points[0], points[777], points[31_234], points[40_001], points[-1]} <= set(kept)
    assert [point.step for point in kept] == sorted(point.step for point in kept)
    assert history.thinned(points[:300]) == points[:300]


def test_the_history_leads_to_where_the_stream_goes_on(
    session: Session, story: stories.Story, rita: TestClient
) -> None:
    run = story.start()
    for line, (step, value) in enumerate([(1, 3.0), (2, None), (2, 2.0)]):  # step 2 was said again after a resumption
        say(session, run, line, **metric(step, value))
    say(session, run, 9, "sample", step=2, title="What?", text="A cat.")
    told = rita.get(f"{story.at}/{run.id}/history").json()
    (curve,) = told["curves"]
    assert (curve["name"], curve["steps"], curve["values"], curve["at"]) == ("loss", [1, 2], [3.0, 2.0], [101.0, 102.0])
    assert told["samples"] == [{"step": 2, "title": "What?", "text": "A cat."}]
    stories.end(session, run)
    assert "event: metric" not in rita.get(f"{story.at}/{run.id}/events?after={told['last']}").text


def test_words_are_found_in_the_whole_log_a_page_at_a_time(story: stories.Story, rita: TestClient) -> None:
    run = story.start()
    folder = storage.run_folder(run.id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").write_bytes(b"start\n" + b"Warning: \xff hot\nfine\n" * (searching.PAGE + 1))
    ask = f"{story.at}/{run.id}/log/search?words=warning"
    first = rita.get(ask).json()
    assert first["lines"][0] == {"number": 2, "text": "Warning: \ufffd hot"}
    assert len(first["lines"]) == searching.PAGE and first["more"] == first["lines"][-1]["number"]
    rest = rita.get(f"{ask}&after={first['more']}").json()
    assert [line["number"] for line in rest["lines"]] == [2 * searching.PAGE + 2] and rest["more"] is None
    assert rita.get(f"{story.at}/{run.id}/log/search?words=nowhere").json() == {"lines": [], "more": None}


def test_a_stream_says_what_looks_wrong_and_unsays_it(
    session: Session, story: stories.Story, rita: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL", 0.01)
    monkeypatch.setattr(noticing, "EVERY", 0.0)
    run = story.start()
    run.started_at = now()
    say(session, run, 1, **metric(1, 1.0))
    then = iter([
        lambda: say(session, run, 2, **metric(2, None)),
        lambda: say(session, run, 3, **metric(2, 0.5)),  # a resumed run says the step again
        lambda: stories.end(session, run),
    ])  # fmt: skip
    glance = live.glance

    def look(run_id: int, after: int) -> live.Glance:
        seen = glance(run_id, after)
        next(then, lambda: None)()
        return seen

    monkeypatch.setattr(live, "glance", look)
    lines = rita.get(f"{story.at}/{run.id}/events").text.splitlines()
    odd = [lines[place + 1] for place, line in enumerate(lines) if line == "event: odd"]
    assert odd == ['data: {"notes":[]}', 'data: {"notes":["loss was not a finite number."]}', 'data: {"notes":[]}']


def test_viewers_of_a_run_share_looks_and_each_is_told_all_of_it_once(
    session: Session, story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL", 0.01)
    run = story.start()
    say(session, run, 1, **metric(1, 1.0))
    looks, glance = 0, live.glance

    def look(run_id: int, after: int) -> live.Glance:
        nonlocal looks
        looks += 1
        if looks == 30:
            for step in (2, 3):
                say(session, run, step, **metric(step, 1.0))
        if looks == 40:
            stories.end(session, run)
        return glance(run_id, after)

    monkeypatch.setattr(live, "glance", look)
    told: list[list[bytes]] = [[] for _ in range(20)]

    async def view(pieces: AsyncIterator[bytes], into: list[bytes]) -> None:
        async for piece in pieces:
            into.append(piece)

    async def everybody() -> None:
        async with anyio.create_task_group() as group:
            for into in told:
                group.start_soon(view, live.tail(run.id, 0), into)

    anyio.run(everybody)
    assert looks < 60  # twenty viewers on their own would have looked some hundreds of times
    assert not live.ROOMS
    for each in told:
        text = b"".join(each)
        assert [text.count(f'"step":{step},'.encode()) for step in (1, 2, 3)] == [1, 1, 1]
        assert text.endswith(b"event: end\ndata: {}\n\n")


def test_a_run_that_goes_on_warns_of_a_thing_once_and_says_each_time_that_it_went_on(story: stories.Story) -> None:
    run = story.start()
    cut = {"kind": "note", "level": "warning", "text": "texts longer than allowed were cut: 3 critiques"}
    on = {"kind": "note", "level": "info", "text": "resumed after step 5"}
    story.session.add_all(
        Metric(run_id=run.id, line=line, kind="note", payload=said) for line, said in enumerate((cut, on))
    )
    story.session.commit()
    known = repeats.last_steps(story.session, run.id)
    assert repeats.is_repeated(cut, known)
    assert not repeats.is_repeated(on, known)
    assert not repeats.is_repeated(cut | {"text": "texts longer than allowed were cut: 4 critiques"}, known)
