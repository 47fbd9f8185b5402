"""Reviewing in a real browser: sent back at a place, mended, accepted; one decision over two people; by keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.annotations import actions
from app.annotations.tables import Adjudication, Annotation
from app.projects.guard import Seat
from tests import cast
from tests.app.annotations import desk
from tests.patience import patient

Enter = Callable[[Seat], Page]


@pytest.fixture
def enter(session: Session, address: str, browser: Browser) -> Iterator[Enter]:
    """A page of a browser in which the person of a seat is signed in; a fault in a script fails the test."""
    problems: list[str] = []
    contexts = []

    def enter(seat: Seat) -> Page:
        secret = sign_in(session, seat.user.email, cast.PASSWORD)
        session.commit()
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address)
        context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
        contexts.append(context)
        page = patient(context.new_page())
        page.on("pageerror", lambda problem: problems.append(str(problem)))
        return page

    yield enter
    for context in contexts:
        context.close()
    assert problems == []


def test_what_is_sent_back_at_a_place_is_mended_there_and_then_accepted(session: Session, enter: Enter) -> None:
    project = desk.project(session, samples=2)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    annotation = desk.annotate(session, bob)
    hers, his = enter(rosa), enter(bob)
    hers.goto("/projects/streets/reviews")
    hers.get_by_role("link", name="Review the first").click()
    hers.wait_for_url(re.compile(r"/reviews/\d+"))
    hers.wait_for_load_state("load")  # keys are read once the scripts have run
    hers.locator("[data-remark='ranking'] > summary").click()
    hers.get_by_label("Remark on the ranking").fill("B is as good as A")
    hers.keyboard.press("Escape")
    hers.keyboard.press("s")
    hers.keyboard.press("Control+Enter")
    expect(hers.get_by_text("Nothing waits for a verdict")).to_be_visible()

    session.expire_all()
    assert session.get_one(Annotation, annotation.id).state == "returned"
    his.goto("/projects/streets/annotate")  # first in his queue
    expect(his.locator("[data-ranking] .remark-here")).to_contain_text("B is as good as A")
    his.keyboard.press("r")
    his.keyboard.press("Control+a")
    his.keyboard.type("a=b c d")
    expect(his.locator("[data-ranking] [data-words]")).to_have_text("A = B > C > D")
    his.keyboard.press("Control+Enter")
    his.wait_for_url(lambda url: not url.endswith(f"/annotate/{annotation.task_id}"))

    hers.reload()
    hers.get_by_role("link", name="Review the first").click()
    expect(hers.locator(".since")).to_contain_text("B is as good as A")
    expect(hers.locator(".since ins").first).to_be_visible()
    for key in ("k", "k", "ArrowRight", "k"):  # to the first score; it is checked; the next one too
        hers.keyboard.press(key)
    expect(hers.locator("[data-tally]")).to_have_text("2 of 12 scores checked")
    hers.keyboard.press("a")
    hers.keyboard.press("Control+Enter")
    expect(hers.get_by_text("Nothing waits for a verdict")).to_be_visible()
    session.expire_all()
    row = session.get_one(Annotation, annotation.id)
    assert (row.state, [len(each.review.remarks) for each in row.revisions if each.review]) == ("accepted", [1, 0])
    assert row.latest.review is not None and len(row.latest.review.verified) == 2


def test_over_two_people_who_differ_one_decision_is_made_from_what_they_answered(
    session: Session, enter: Enter
) -> None:
    project = desk.project(session, samples=1, overlap=2)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    held = desk.lease(session, bob)
    ids = [str(each.id) for each in held.task.sample.responses]
    contrary = desk.content(held.task.sample, ranking=[[each] for each in ids[::-1]], rank_reason="The last is right.")
    actions.submit(session, bob, held.task_id, contrary, "key", 9.0)
    other = desk.annotate(session, dora)
    page = enter(desk.reviewer(session, project))
    page.goto("/projects/streets/adjudications")
    page.get_by_role("link", name="Decide the first").click()
    expect(page.locator("[data-left]")).to_have_text("2 still to decide")  # scores are alike; the orders contradict
    page.keyboard.press("Shift+Digit1")
    expect(page.locator("[data-left]")).to_have_text("Complete")
    page.get_by_role("button", name="Take the reason for the ranking from Dora").click()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Nobody differs")).to_be_visible()
    decision = session.scalars(sa.select(Adjudication)).one()
    session.refresh(other.latest)
    assert decision.content["ranking"] == contrary["ranking"]
    assert decision.content["rank_reason"] == other.latest.content["rank_reason"]
