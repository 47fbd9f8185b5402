"""A researcher watches a run: smooths its curves, looks along time, reads what it said by step, searches its log."""

from __future__ import annotations

import re
from contextlib import closing

from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.core import storage
from app.core.db import now
from app.runs import claims, workers
from app.runs.workers import Presence
from tests import cast
from tests.app.runs import stories
from tests.app.runs.test_watching import metric, say
from tests.patience import patient
from worker import presence


def test_a_researcher_looks_closer_at_a_run(session: Session, browser: Browser, address: str) -> None:
    story = stories.begin(session)
    run = story.start()
    run.claimed_by, run.claimed_at, run.heartbeat_at, run.started_at = "w", now(), now(), now()
    say(session, run, 0, **{**metric(0, 1.0), "split": "held_out", "values": {"loss": 4.0}})
    for step in range(1, 6):
        values = {"padding_share": 0.125, "tokens_per_second": 1200.0, "loss": 3.0 / step}
        say(session, run, step, **{**metric(step, 1.0), "values": values})
    for step in (2, 4):
        say(session, run, 50 + step, "sample", step=step, title="What is shown?", text=f"An answer of step {step}.")
    folder = storage.run_folder(run.id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").write_text("begin\nWARNING: hot\nfine\na warning again\n")
    secret = sign_in(session, story.seat.user.email, cast.PASSWORD)
    session.commit()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = patient(context.new_page())
    problems: list[str] = []
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.goto(f"{address}{story.at}/{run.id}")

    loss = page.locator("figure", has_text="Loss")
    at_rest = ["step5", "Loss0.6000", "Loss, held-out4.000"]  # what was said last, while nobody points at a place
    expect(loss.locator(".u-series")).to_have_text(at_rest)
    expect(page.locator("#curves figcaption")).to_have_text(["Loss", "Speed, tokens a second", "Share of padding"])
    expect(page.locator(".run-gauges")).to_contain_text("13 %")
    page.get_by_label("Smoothing").fill("0.5")
    expect(loss.locator(".u-series:visible")).to_have_count(3)
    expect(loss.locator(".u-series:visible").nth(1)).not_to_have_text(at_rest[1])
    page.get_by_label("Logarithmic").check()
    page.get_by_label("Along").select_option("time")
    expect(loss.locator(".u-legend")).to_contain_text("time")
    padding = page.locator("figure", has_text="Share of padding")
    expect(padding.locator(".u-legend")).to_contain_text("time")
    page.reload()
    expect(page.get_by_label("Along")).to_have_value("time")
    expect(loss.locator(".u-series.faint")).to_have_count(2)

    expect(page.locator("#samples")).to_contain_text("An answer of step 4.")
    page.get_by_role("button", name="Earlier").click()
    expect(page.locator("#samples")).to_have_text("What is shown?An answer of step 2.")
    say(session, run, 60, "sample", step=5, title="What is shown?", text="An answer of step 5.")
    expect(page.get_by_label("Written at").locator("option")).to_have_count(3)
    expect(page.locator("#samples")).to_contain_text("An answer of step 2.")

    page.get_by_label("Words in the log").fill("warning")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#log-words")).to_have_text("Line 2: 1 of 2")
    expect(page.locator("#log-found mark")).to_have_text(["WARNING", "warning"])
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#log-found [aria-current]")).to_have_text("a warning again")
    page.get_by_label("Words in the log").fill("ice")
    page.get_by_label("Words in the log").press("Enter")
    expect(page.locator("#log-words")).to_have_text("Nothing in the log says that.")
    assert not problems
    context.close()


def test_what_looks_wrong_appears_while_it_is_watched_in_the_viewer_s_language(
    session: Session, browser: Browser, address: str
) -> None:
    story = stories.begin(session)
    run = story.start()
    run.claimed_by, run.claimed_at, run.heartbeat_at, run.started_at = "w", now(), now(), now()
    say(session, run, 1, **metric(1, 3.0))
    secret = sign_in(session, story.seat.user.email, cast.PASSWORD)
    session.commit()
    with closing(browser.new_context(locale="zh-CN")) as context:
        context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
        page = context.new_page()
        page.goto(f"{address}{story.at}/{run.id}")
        expect(page.locator("#curves figure")).to_have_count(1)
        expect(page.locator("#odd .said")).to_have_count(0)
        say(session, run, 2, **metric(2, None))
        say(session, run, 3, "note", level="warning", text="resumed after step 1")
        expect(page.locator("#odd .said")).to_contain_text("loss 不是有限数")
        expect(page.locator("#notes")).to_contain_text("已从第 1 步之后继续")


def test_the_workers_page_changes_by_itself_and_lets_a_keyboard_stay_where_it_is(
    session: Session, browser: Browser, address: str
) -> None:
    story = stories.begin(session)
    run = story.start()
    for name in ("a:1", "b:2"):
        workers.note(session, Presence(name, "gpu", "gpu", presence.machine(), []))
    claims.take(session, run.id, "a:1")
    secret = sign_in(session, story.seat.user.email, cast.PASSWORD)
    session.commit()
    with closing(browser.new_context(viewport={"width": 1440, "height": 900})) as context:
        context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
        page = patient(context.new_page())
        page.goto(f"{address}{story.at}/workers")
        link = page.get_by_role("link", name="a reward")
        link.focus()
        workers.leave(session, "b:2")
        session.commit()
        expect(page.locator(".workers .badge")).to_have_text(["working", "gone"])
        expect(link).to_be_focused()
        expect(page.locator(".workers time").first).to_have_text("just now")


def test_enter_starts_the_run_and_in_a_row_of_the_sweep_the_sweep(
    session: Session, browser: Browser, address: str
) -> None:
    story = stories.begin(session)
    secret = sign_in(session, story.seat.user.email, cast.PASSWORD)
    session.commit()
    with closing(browser.new_context(viewport={"width": 1440, "height": 900})) as context:
        context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
        page = patient(context.new_page())
        page.goto(f"{address}{story.at}/new?recipe=reward&preset=tiny")
        page.get_by_label("Base model").fill(str(story.base))
        page.get_by_label("Name").press("Enter")
        expect(page).to_have_url(re.compile(r"/runs/\d+$"))
        page.goto(f"{address}{story.at}/new?recipe=reward&preset=tiny")
        page.get_by_label("Base model").fill(str(story.base))
        page.get_by_text("Sweep: try several values").click()
        page.get_by_label("Field 1", exact=True).select_option("epochs")
        page.get_by_label("Values of field 1").fill("1, 2")
        expect(page.locator("#estimate")).to_contain_text("As a sweep: 2 runs like it.")
        page.get_by_label("Values of field 1").press("Enter")
        expect(page).to_have_url(re.compile(r"/groups/\d+$"))
