"""Other servers hear of a run's end: signed, once, again where they do not answer, and never at a private address."""

from __future__ import annotations

import datetime as dt
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.db import now, transaction
from app.core.settings import settings
from app.runs import actions, claims, delivering, webhooks
from app.runs.webhook_tables import Delivery, Webhook
from tests import cast
from tests.app.runs import stories
from tests.app.runs.receiver import Receiver, receiver
from worker import jobs
from worker.delivering import deliver_webhook

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "webhooks.md"


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("OUTSIDE_ALLOWED", "127.0.0.0/8")
    monkeypatch.setenv("ASSAY_PUBLIC_URL", "https://assay.example.org")
    settings.cache_clear()
    with receiver() as it:
        yield it


def hook(story: stories.Story, server: Receiver, hears: str = "ended") -> tuple[Webhook, str]:
    made = webhooks.make(story.session, story.seat, server.url, hears)
    story.session.commit()
    return made


def end(story: stories.Story, failure: str | None = None, **changes: Any) -> None:
    """As a worker ends a run."""
    run = story.start(**changes)
    if failure is None:
        actions.cancel(story.session, story.seat, run.id)
        return story.session.commit()
    with transaction() as session:
        claim = claims.take(session, run.id, "worker")
        assert claim is not None
    with transaction() as session:
        claims.end(session, claim, 1, failure)


def deliveries(session: Session) -> list[Delivery]:
    session.expire_all()
    return list(session.scalars(sa.select(Delivery).order_by(Delivery.id)))


def work(session: Session) -> None:
    """As the desk does what is due."""
    session.commit()
    with transaction() as look:
        waiting = delivering.due(look)
    for each in waiting:
        deliver_webhook(each)


def later(session: Session) -> None:
    """A day goes by for whatever waits."""
    session.execute(sa.update(Delivery).values(next_at=now(), tried_at=now() - dt.timedelta(days=1)))
    session.commit()


def verify() -> Any:
    """The function of the guide, as a reader would copy it."""
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)  # noqa: S102
    return names["is_from_assay"]


def test_a_receiver_hears_of_the_end_in_the_shape_and_with_the_signature_of_the_guide(
    story: stories.Story, server: Receiver
) -> None:
    _made, secret = hook(story, server)
    end(story, "Diverged: The loss is not a number. (step 7)")
    work(story.session)
    [(headers, body)] = server.heard
    said = json.loads(body)
    promised = json.loads(re.search(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)[1])  # type: ignore[index]
    assert shape(said) == shape(promised)
    assert (
        said["data"]["run"] | {"state": "failed", "failure": promised["data"]["run"]["failure"]} == said["data"]["run"]
    )
    assert said["data"]["run"]["url"] == f"https://assay.example.org{story.at}/{said['data']['run']['id']}"
    assert verify()(secret, headers, body)
    assert not verify()(secret, headers, body + b" ")
    assert not verify()("whsec_AAAA", headers, body)
    old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 400)}
    assert not verify()(secret, old, body)
    [row] = deliveries(story.session)
    assert (delivering.state_of(row), row.status, row.answer, row.tries) == ("taken", 200, "thanks", 1)


def shape(said: Any) -> Any:
    """The names of an object, however deep, but for a result's, which are the recipe's."""
    return {name: shape(value) for name, value in said.items() if name != "result"} if isinstance(said, dict) else None


def test_who_asked_for_failures_hears_of_nothing_else(story: stories.Story, server: Receiver) -> None:
    hook(story, server, "failed")
    end(story)
    assert deliveries(story.session) == []
    end(story, "Failed: it broke", name="another")
    work(story.session)
    assert [json.loads(body)["data"]["run"]["name"] for _headers, body in server.heard] == ["another"]


@pytest.mark.parametrize("status", [200, 500])
def test_however_often_the_desk_is_nudged_a_message_is_tried_when_its_time_has_come(
    story: stories.Story, server: Receiver, status: int
) -> None:
    hook(story, server)
    end(story)
    server.status = status
    [row] = deliveries(story.session)
    story.session.commit()
    for _ in range(3):
        deliver_webhook(row.id)
    assert len(server.heard) == 1


def test_of_four_workers_that_race_one_sends(story: stories.Story, server: Receiver) -> None:
    hook(story, server)
    end(story)
    [row] = deliveries(story.session)
    story.session.commit()
    together = Barrier(4)

    def race(_number: int) -> None:
        together.wait()
        delivering.perform(row.id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(race, range(4)))
    assert len(server.heard) == 1


def test_what_a_worker_was_sending_when_it_was_lost_is_sent_again(story: stories.Story, server: Receiver) -> None:
    hook(story, server)
    end(story)
    [row] = deliveries(story.session)
    story.session.commit()
    with transaction() as session:
        assert delivering._taken(session, row.id) is not None, "and then the power fails"
    work(story.session)
    assert server.heard == [], "another looks after a while"
    later(story.session)
    work(story.session)
    [row] = deliveries(story.session)
    assert (delivering.state_of(row), row.tries, len(server.heard)) == ("taken", 2, 1)


def test_a_receiver_in_trouble_is_asked_ever_more_seldom_and_then_given_up(
    story: stories.Story, server: Receiver
) -> None:
    hook(story, server)
    end(story)
    server.status, server.text = 500, "<h1>\0 broken</h1>" + "x" * 5000
    waits = []
    for _ in range(20):
        work(story.session)
        [row] = deliveries(story.session)
        if row.ended_at is not None:
            break
        assert row.tried_at is not None
        waits.append(row.next_at - row.tried_at)
        later(story.session)
    assert len(server.heard) == len(delivering.WAITS) + 1
    assert waits == sorted(waits)
    assert sum(waits, dt.timedelta()) < dt.timedelta(days=1)
    assert (delivering.state_of(row), row.status, row.fault) == ("given up", 500, "It answered 500.")
    assert row.answer.startswith("<h1>� broken</h1>xxx")
    assert len(row.answer) == 500
    assert len({headers["webhook-id"] for headers, _body in server.heard}) == 1


@pytest.mark.parametrize("slow", ["silent", "dripping"])
def test_a_receiver_that_lets_one_wait_is_not_waited_for(
    story: stories.Story, server: Receiver, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PATIENCE", 0.4)
    hook(story, server)
    end(story)
    server.slow = slow
    work(story.session)
    [row] = deliveries(story.session)
    assert (row.fault, delivering.state_of(row)) == ("It did not answer within 0.4 seconds.", "failing")


def test_a_redirect_to_a_private_address_is_the_answer_and_not_followed(story: stories.Story, server: Receiver) -> None:
    hook(story, server)
    end(story)
    server.status, server.location = 307, server.url.replace("127.0.0.1", "localhost") + "/secret"
    work(story.session)
    [row] = deliveries(story.session)
    assert len(server.heard) == 1
    assert (row.status, row.fault) == (307, "It answered 307, and redirects are not followed.")


def test_a_name_that_has_become_private_since_is_not_asked(
    story: stories.Story, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["93.184.215.14", "10.0.0.1"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", (answers[0], 80))])
    webhooks.make(story.session, story.seat, "https://two-faced.example/", "ended")
    end(story)
    answers.pop(0)
    work(story.session)
    [row] = deliveries(story.session)
    assert row.status is None
    assert "10.0.0.1, which is not a public address" in row.fault
    assert row.ended_at is None


def test_where_nobody_listens_the_log_says_so(story: stories.Story, server: Receiver) -> None:
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        hook(story, server)
        end(story)
        work(story.session)
    assert deliveries(story.session)[0].fault.startswith("It could not be reached: ConnectError")


def test_a_receiver_that_has_just_failed_is_left_in_peace_until_it_answers_somebody(
    story: stories.Story, server: Receiver
) -> None:
    made, _secret = hook(story, server)
    end(story, name="first")
    server.status = 503
    work(story.session)
    end(story, name="second")
    work(story.session)
    assert len(server.heard) == 1, "the second waits with the first"
    server.status = 200
    webhooks.test(story.session, story.seat, made.id)
    for _ in range(3):
        work(story.session)
    assert [delivering.state_of(each) for each in deliveries(story.session)] == ["taken"] * 3


def test_the_sweep_finds_what_no_message_told_of_and_forgets_what_is_long_past(
    story: stories.Story, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(story, server)
    end(story)
    nudged: list[tuple[str, Any]] = []
    monkeypatch.setattr("app.runs.delivering.nudge", lambda _session, job, *about: nudged.append((job, *about)))
    jobs.sweep()
    [row] = deliveries(story.session)
    assert nudged == [("deliver_webhook", row.id)]
    work(story.session)
    story.session.execute(sa.update(Delivery).values(ended_at=now() - dt.timedelta(days=31)))
    story.session.commit()
    jobs.sweep()
    assert deliveries(story.session) == []


def test_a_researcher_adds_tests_repeats_changes_and_removes_a_webhook(
    story: stories.Story, server: Receiver, client: TestClient
) -> None:
    at = f"{story.at}/webhooks"
    cast.sign_in(client, story.session, story.seat.user)
    assert "No webhooks yet" in client.get(at).text
    page = client.post(at, data={"url": server.url, "hears": "ended"}).text
    secret = re.search(r'id="secret">(whsec_[^<]+)<', page)
    assert secret
    [made] = story.session.scalars(sa.select(Webhook))
    here = f"{at}/{made.id}"
    assert secret[1] not in client.get(here).text
    assert secret[1] not in made.sealed_secret
    assert "on its way" in client.post(f"{here}/tests").text
    work(story.session)
    assert "thanks" in client.get(here).text
    [row] = deliveries(story.session)
    client.post(f"{here}/deliveries/{row.id}/repetition")
    work(story.session)
    ids = [headers["webhook-id"] for headers, _body in server.heard]
    assert ids == [row.event, row.event]
    assert verify()(secret[1], *server.heard[1])
    client.post(here, data={"url": f"{server.url}/else", "hears": "failed"})
    page = client.get(at).text
    assert f"{server.url}/else" in page
    assert "only runs that fail" in page
    client.post(f"{here}/tests")
    client.post(f"{here}/removal")
    story.session.expire_all()
    assert deliveries(story.session) == []
    assert client.get(here).status_code == 404


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://10.1.2.3/", "which is not a public address"),
        ("https://alice:secret@93.184.215.14/", "may not hold a name and a password"),
        ("ftp://93.184.215.14/", "is no web address"),
        ("https://93.184.215.14/" + "x" * 2000, "at most 2000 characters"),
    ],
)
def test_an_address_that_cannot_be_is_refused_beside_its_field_and_kept_there(
    story: stories.Story, client: TestClient, url: str, said: str
) -> None:
    cast.sign_in(client, story.session, story.seat.user)
    answer = client.post(f"{story.at}/webhooks", data={"url": url, "hears": "failed"})
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{url}"' in answer.text
    assert story.session.scalars(sa.select(Webhook)).all() == []


def test_a_project_has_ten_webhooks_at_most(story: stories.Story, server: Receiver) -> None:
    for _ in range(webhooks.MOST):
        hook(story, server)
    with pytest.raises(webhooks.TooManyWebhooks):
        hook(story, server)
