"""Who hears of a run's end: the one who started it, and those who asked to."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import notices
from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.accounts.tables import User
from app.core.db import now, take_back, transaction
from app.core.language import language, listen
from app.projects.tables import Membership
from app.runs import actions, claims, following, kinds
from app.runs.claims import Claim
from app.runs.refusals import BaseModelNotFound
from app.runs.tables import Run
from tests import cast
from tests.app.runs import stories
from tests.patience import patient


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def take(run: Run) -> Claim:
    with transaction() as session:
        claim = claims.take(session, run.id, "worker")
    assert claim is not None
    return claim


def told(session: Session, person: User) -> list[tuple[str, str, str]]:
    """What somebody was told: the sentence, what more there is to say, and the tone."""
    session.expire_all()
    return [(each.message % each.filling, each.detail, each.tone) for each in notices.page_of(session, person)]


def test_who_started_a_run_hears_how_it_ended(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "finish", lambda *_: None)
    rita, run = story.seat.user, story.start()
    with transaction() as session:
        claims.end(session, take(run), 0, None)
    assert told(story.session, rita) == [("“a reward” in Streets is done.", "", "good")]
    run = story.start(name="another")
    with transaction() as session:
        claims.end(session, take(run), 1, "TooLong: the text is too long. (sample 7)")
    assert told(story.session, rita)[0] == ("“another” in Streets failed.", "The text is too long.", "bad")
    run = story.start(name="unprepared")
    with transaction() as session:
        claims.fail(session, take(run), BaseModelNotFound("There is no model here.", "base"))
    assert told(story.session, rita)[0] == ("“unprepared” in Streets failed.", "There is no model here.", "bad")


def test_an_end_that_did_not_stay_is_told_to_nobody(story: stories.Story) -> None:
    claim = take(story.start())
    with transaction() as session:
        claims.end(session, claim, 1, "Failed: it broke")
        take_back(session)
    assert told(story.session, story.seat.user) == []


def test_a_cancelled_run_and_one_whose_input_is_lost_are_told_of_too(story: stories.Story) -> None:
    first = story.start()
    inputs = {"dataset": story.dataset.id, "reward": first.id}
    story.start("score", name="the scores", config={}, inputs=inputs)
    actions.cancel(story.session, story.seat, first.id, "The wrong dataset")
    story.session.commit()
    with transaction() as session:
        assert claims.offers(session) == []
    lost, cancelled = told(story.session, story.seat.user)
    assert cancelled == ("“a reward” in Streets was cancelled.", "The wrong dataset", "neutral")
    assert lost[0] == "“the scores” in Streets failed."
    assert "was cancelled" in lost[1]


def test_who_follows_a_project_hears_of_every_run_for_as_long_as_they_may_look(
    story: stories.Story, client: TestClient
) -> None:
    session = story.session
    rosa, ana = cast.user(session, "Rosa"), cast.user(session, "Ana")
    cast.seat(session, rosa, story.project, "reviewer")
    seat = cast.seat(session, ana, story.project, "researcher")
    following.follow(session, seat)
    cast.sign_in(client, session, rosa)
    assert "Tell me about every run" in client.get(story.at).text
    assert "Tell me about my own only" in client.post(f"{story.at}/following").text
    session.query(Membership).filter_by(user_id=ana.id).delete()
    actions.cancel(session, story.seat, story.start().id)
    session.commit()
    assert len(told(session, rosa)) == 1
    assert told(session, ana) == []
    client.post(f"{story.at}/following/ending")
    actions.cancel(session, story.seat, story.start().id)
    session.commit()
    assert len(told(session, rosa)) == 1


def test_a_reader_of_chinese_reads_the_notice_in_chinese(story: stories.Story, client: TestClient) -> None:
    actions.cancel(story.session, story.seat, story.start().id)
    cast.sign_in(client, story.session, story.seat.user)
    page = client.get("/notices", headers={"accept-language": "zh-CN"}).text
    assert "Streets" in page
    assert "was cancelled" not in page
    listen(None, "")
    assert language() == "en"


def test_a_researcher_who_is_elsewhere_reads_in_the_title_that_a_run_ended_and_then_on_its_page(
    session: Session, browser: Browser, address: str
) -> None:
    story = stories.begin(session)
    run = story.start()
    run.claimed_by, run.claimed_at, run.heartbeat_at, run.started_at, run.fence = "w", now(), now(), now(), 1
    secret = sign_in(session, story.seat.user.email, cast.PASSWORD)
    session.commit()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = patient(context.new_page())
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => !globalThis.isBack })")
    page.goto(f"{address}{story.at}/{run.id}")
    expect(page.locator("#log")).to_be_attached()
    with transaction() as other:
        claims.end(other, Claim(run.id, 1, "reward"), 1, "Failed: it broke")
    toast = page.locator("#ended")
    expect(toast).to_contain_text("This run failed.")
    expect(page).to_have_title(re.compile("^This run failed. · a reward"))
    expect(page.locator("[data-unread]")).to_have_text("1")
    page.evaluate("globalThis.isBack = true; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title(re.compile("^a reward"))
    expect(page.locator("[data-unread]")).to_have_count(0)
    toast.get_by_role("button", name="Close").click()
    expect(toast).to_be_empty()
    page.goto(f"{address}/notices")
    expect(page.locator(".is-read")).to_contain_text("“a reward” in Streets failed.")
    page.goto(f"{address}{story.at}/{run.id}")
    expect(page.locator("#ended")).to_be_empty()
    context.close()
