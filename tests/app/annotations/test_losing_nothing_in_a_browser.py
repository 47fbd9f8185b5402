"""The annotate page when things go wrong: no server, another tab, a session that ended, a task that is gone."""

from __future__ import annotations

import datetime as dt
import re

import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.accounts.tables import SignIn, User
from app.annotations import actions
from app.annotations.tables import Annotation, Draft
from app.core.db import now
from app.projects.tables import Project
from app.tasks import actions as tasks
from app.tasks.tables import Flag, Lease
from tests import cast
from tests.app.annotations import desk
from tests.app.annotations.browsing import confirmed, sent, until
from tests.patience import patient

SAVED = re.compile("saved")


def annotate(page: Page, reason: str = "Says what is there") -> None:
    """All of it by keys alone: 12 scores, 4 reasons, a ranking with a tie, a reason for it."""
    page.keyboard.press("m")
    for score in "543254325432":
        page.keyboard.press(score)
    page.keyboard.press("n")
    for letter in "ABCD":
        page.keyboard.type(f"{reason}, {letter}")
        page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.type("a b c=d")
    page.keyboard.press("Enter")
    page.keyboard.type("A says most")


def submit(page: Page) -> None:
    first = page.url
    page.keyboard.press("Control+Enter")
    confirmed(page, first, by_keys)


def by_keys(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def test_a_whole_annotation_needs_no_mouse_and_the_picture_stays_in_sight(bob: Page, session: Session) -> None:
    picture, first = bob.locator("[data-picture]").first, bob.url
    annotate(bob)
    expect(picture).to_be_in_viewport(ratio=0.9)
    expect(bob.locator("[data-kind=scores] [data-count]")).to_have_text("12/12")
    submit(bob)
    sent(bob)
    content = session.scalars(sa.select(Annotation)).one().latest.content
    assert [len(group) for group in content["ranking"]] == [1, 1, 2]
    bob.keyboard.press("u")
    bob.wait_for_url(first)
    expect(bob.locator("[data-rank-reason]")).to_have_value("A says most")
    session.rollback()
    assert session.scalars(sa.select(Annotation)).all() == []


def test_without_a_server_the_work_goes_on_and_is_sent_once_and_in_order(bob: Page, session: Session) -> None:
    first = bob.url
    annotate(bob, "On a train")
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", SAVED)
    until(bob, "performance.getEntriesByType('resource').some((each) => each.name.includes('?lease='))")
    bob.context.set_offline(True)
    submit(bob)
    assert bob.url != first
    annotate(bob, "In a tunnel")
    submit(bob)
    expect(bob.locator("[data-notice]")).to_contain_text("kept in this browser")
    assert session.scalars(sa.select(Annotation)).all() == []
    bob.context.set_offline(False)
    sent(bob)
    session.rollback()
    made = session.scalars(sa.select(Annotation).order_by(Annotation.id)).all()
    reasons = [min(each.latest.content["reasons"].values()) for each in made]
    assert reasons == ["On a train, A", "In a tunnel, A"]


def test_what_was_fetched_ahead_cannot_be_read_after_signing_out(bob: Page) -> None:
    annotate(bob)
    until(bob, "performance.getEntriesByType('resource').some((each) => each.name.includes('?lease='))")
    ahead = bob.evaluate("performance.getEntriesByType('resource').find(({ name }) => name.includes('?lease=')).name")
    bob.locator("summary").filter(has_text="Bob").click()
    bob.get_by_role("button", name="Sign out").click()
    bob.wait_for_url("**/sign-in*")
    bob.goto(ahead)
    expect(bob).to_have_url(re.compile("/sign-in"))


def test_a_draft_whose_answer_was_lost_is_no_stranger(bob: Page, session: Session) -> None:
    def arrive_unanswered(route: Route) -> None:
        route.fetch()
        route.abort()

    bob.route("**/draft", arrive_unanswered, times=1)
    bob.locator("[data-rank-reason]").fill("Said on a ferry")
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", "away")
    bob.locator("[data-rank-reason]").fill("Said on a ferry and finished")
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", "saved", timeout=20_000)
    expect(bob.locator("#conflict")).to_be_hidden()
    assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "Said on a ferry and finished"


def test_the_older_of_two_tabs_is_told_what_differs_and_offered_the_newer(bob: Page, session: Session) -> None:
    other = patient(bob.context.new_page())
    other.goto(bob.url)
    bob.locator("[data-rank-reason]").fill("From the first tab")
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", SAVED)
    expect(other.locator("#conflict")).to_contain_text("From the first tab")
    other.locator("#conflict [value=no]").click()
    expect(other.locator("[data-rank-reason]")).to_have_value("From the first tab")
    other.locator("[data-rank-reason]").fill("From the second tab")
    bob.locator("#conflict [value=yes]").click()
    expect(other.locator("#conflict[open] ins")).to_have_text("first ")
    session.rollback()
    assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "From the first tab"


def test_a_second_device_is_told_what_the_first_saved_and_offered_it(
    bob: Page, session: Session, browser: Browser, address: str
) -> None:
    """Two browsers of one person share nothing but the server."""
    person = session.scalars(sa.select(User).where(User.name == "Bob")).one()
    secret = sign_in(session, person.email, cast.PASSWORD)
    session.commit()
    with browser.new_context(viewport={"width": 820, "height": 1180}) as tablet:
        tablet.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
        other = patient(tablet.new_page())
        other.goto(bob.url)
        bob.locator("[data-rank-reason]").fill("Desk")
        expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", SAVED)
        other.locator("[data-rank-reason]").fill("Sofa")
        expect(other.locator("#conflict[open] ins")).to_have_text("Desk")
        session.rollback()
        assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "Desk"
        other.locator("#conflict [value=no]").click()
        expect(other.locator("[data-rank-reason]")).to_have_value("Desk")
        other.locator("[data-rank-reason]").fill("Kitchen")
        expect(other.locator("[data-saving]")).to_have_attribute("data-saving", SAVED)
    bob.locator("[data-rank-reason]").fill("Garden")
    expect(bob.locator("#conflict[open] ins")).to_have_text("Kitchen")


def test_a_session_that_ended_is_opened_again_in_place(bob: Page, session: Session) -> None:
    session.execute(sa.update(SignIn).values(ended_at=now()))
    session.commit()
    bob.locator("[data-rank-reason]").fill("Typed after the session had ended")
    dialog = bob.locator("#sign-in")
    dialog.locator("[name=password]").fill("not this one")
    bob.keyboard.press("Enter")
    expect(dialog.locator("[data-fault]")).to_contain_text("does not fit")
    dialog.locator("[name=password]").fill(cast.PASSWORD)
    bob.keyboard.press("Enter")
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", SAVED)
    assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "Typed after the session had ended"


def test_who_lost_a_task_is_told_and_keeps_the_draft(bob: Page, session: Session) -> None:
    project = session.scalars(sa.select(Project)).one()
    session.execute(sa.update(Lease).values(expires_at=now() - dt.timedelta(seconds=1)))
    dora = desk.annotator(session, project, "dora")
    while "dora takes all":
        held = tasks.lease_next(session, dora)
        if held is None:
            break
        actions.submit(session, dora, held.task_id, desk.content(held.task.sample), f"key {held.id}")
    session.commit()
    bob.locator("[data-rank-reason]").fill("Too late, but kept")
    expect(bob.locator("[data-notice]")).to_contain_text("somebody else has it now. Your draft is kept.")
    assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "Too late, but kept"


def test_a_returned_annotation_comes_first_with_remarks_at_their_places(bob: Page, session: Session) -> None:
    project = session.scalars(sa.select(Project)).one()
    person = cast.seat(session, session.scalars(sa.select(User).where(User.name == "Bob")).one(), project)
    made = desk.annotate(session, person)
    response = made.order[1]
    remarks = [(f"reasons.{response}", "Which colour?"), ("criteria.ethics", "Think of the faces.")]
    actions.return_(session, desk.reviewer(session, project), made.id, "Nearly", remarks=remarks)
    session.commit()
    bob.goto(bob.url.rsplit("/", 1)[0])
    expect(bob.locator(".returned")).to_contain_text("Sent back by Rosa")
    expect(bob.locator(".reason:has(.remark-here)")).to_contain_text("The reason for B: Which colour?")
    expect(bob.locator("[data-row=ethics] .remark-here")).to_contain_text("Think of the faces.")


def test_keys_are_ones_own_and_a_flag_leaves_the_page_as_it_is(bob: Page, session: Session) -> None:
    bob.keyboard.press("?")
    bob.locator("[data-change-keys]").click()
    bob.locator("[data-own-key='5']").press("q")
    bob.locator("[data-own-key='f']").press("5")
    bob.locator("[data-save-keys]").click()
    expect(bob.locator("#keys")).to_be_hidden()
    expect(bob.locator("[data-score='5'] kbd")).to_have_text("q")
    bob.keyboard.press("q")
    expect(bob.locator("[data-kind=scores] [data-count]")).to_have_text("1/12")
    bob.keyboard.press("5")
    bob.locator("#flag [value=incomplete]").check()
    bob.locator("#flag .primary").click()
    expect(bob.locator("[data-notice]")).to_contain_text("Flagged")
    assert session.scalars(sa.select(Flag.kind)).all() == ["incomplete"]


def test_a_break_is_not_work(address: str, browser_context: BrowserContext, session: Session) -> None:
    page = patient(browser_context.new_page())
    page.clock.install()
    page.goto(f"{address}/projects/streets/annotate")
    page.keyboard.press("3")
    page.clock.run_for(30_000)  # half a minute of reading
    page.keyboard.press("3")
    page.clock.fast_forward(3600_000)  # lunch
    page.keyboard.press("3")
    page.clock.run_for(2_000)
    expect(page.locator("[data-saving]")).to_have_attribute("data-saving", SAVED)
    assert 30 <= session.scalars(sa.select(Draft)).one().active_seconds < 100
