"""A researcher ticks two runs and sees them over each other."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from tests import cast
from tests.app.runs import stories
from tests.app.runs.test_comparing import report, reward
from tests.patience import patient


def test_two_ticked_runs_are_drawn_over_each_other(session: Session, browser: Browser, address: str) -> None:
    story = stories.begin(session)
    first, second = reward(story, learning_rate=0.002), reward(story, learning_rate=0.01)
    report(session, first, {1: {"loss": 3.0, "grad_norm": 1.0}, 2: {"loss": 2.0, "grad_norm": 1.0}})
    report(session, second, {1: {"loss": 2.5}, 3: {"loss": 1.5}})
    secret = sign_in(session, story.seat.user.email, cast.PASSWORD)
    session.commit()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = patient(context.new_page())
    page.goto(f"{address}{story.at}")
    for run in (first, second):
        page.get_by_label(f"Compare run {run.id},").check()
    page.get_by_role("button", name="Compare the ticked runs").click()
    legend = page.locator(".u-legend")
    for run in (first, second):
        expect(legend).to_contain_text(f"#{run.id} a reward")
    expect(page.get_by_role("row", name=re.compile("learning_rate"))).to_contain_text("0.01")
    page.get_by_label("Metric").select_option("train:grad_norm")
    expect(page.locator("#curves-words")).to_have_text(f"Not reported by #{second.id} a reward.")
    page.reload()
    expect(page.get_by_label("Metric")).to_have_value("train:grad_norm")
    page.get_by_role("link", name=f"Take run {second.id} out").click()
    expect(page.get_by_text("One run alone")).to_be_visible()
    context.close()
