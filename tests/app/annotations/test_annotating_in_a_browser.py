"""The annotate page in a real browser: keys for scores, a ranking typed, a draft that outlives the network."""

from __future__ import annotations

import sqlalchemy as sa
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.annotations.tables import Annotation, Draft
from app.tasks.tables import Lease
from tests.app.annotations.browsing import confirmed, sent


def fill_everything(page: Page) -> None:
    for key in "543254325432":
        page.keyboard.press(key)
    for number, reason in enumerate(page.locator("[data-reason]").all()):
        reason.fill(f"Reason {number} with the digits 12345")
    page.locator("[data-rank-reason]").fill("A is complete")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.type("a b c=d")


def test_a_task_is_annotated_by_keys_and_the_next_one_opens(bob: Page, session: Session) -> None:
    bob.keyboard.press("Control+Enter")
    expect(bob.locator("[data-notice]")).to_contain_text("Still missing: Helpfulness of A")
    fill_everything(bob)
    expect(bob.locator("[data-words]").first).to_have_text("A > B > C = D")
    first = bob.url
    bob.keyboard.press("Control+Enter")
    confirmed(bob, first)
    sent(bob)
    annotation = session.scalars(sa.select(Annotation)).one()
    order = [str(number) for number in annotation.order]
    assert annotation.latest.content["ranking"] == [[order[0]], [order[1]], sorted(order[2:], key=order.index)]
    assert annotation.latest.content["scores"][order[3]] == {"helpfulness": 2, "faithfulness": 2, "ethics": 2}
    assert annotation.active_seconds > 0


def test_a_draft_is_sent_when_the_network_is_back(bob: Page, session: Session) -> None:
    bob.context.set_offline(True)
    bob.locator("[data-rank-reason]").fill("Written on a train")
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", "away")
    bob.context.set_offline(False)
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", "saved", timeout=10_000)
    assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "Written on a train"
    bob.reload()
    expect(bob.locator("[data-rank-reason]")).to_have_value("Written on a train")


def test_a_tie_asks_for_a_sample_and_shows_what_was_altered(bob: Page, session: Session) -> None:
    bob.locator("[data-tie]").check()
    expect(bob.locator("[data-words]").first).to_have_text("A = B = C = D")
    bob.locator("[value=negative]").check()
    editor = bob.locator('[data-place="negative.text"]')
    editor.fill(editor.input_value().replace("Reply", "Lie"))
    expect(bob.locator("[data-diff] del")).to_have_text("Reply ")
    expect(bob.locator("[data-diff] ins")).to_have_text("Lie ")
    bob.locator("[data-tie]").uncheck()
    expect(bob.locator("[data-words]").first).to_have_text("Not ranked yet")


def test_a_tie_is_made_and_taken_back_by_keys_and_the_ranking_before_it_returns(bob: Page) -> None:
    words, press = bob.locator("[data-words]").first, bob.keyboard.press
    press("r")
    bob.keyboard.type("a=b=c=d")
    press("Enter")
    press("Tab")
    expect(bob.locator("[data-tie]")).to_be_checked()
    press("Tab")
    press("Space")
    bob.keyboard.type("What is right")
    expect(bob.locator("[data-place=positive]")).to_have_value("What is right")
    expect(bob.locator("[data-kind=tie] [data-count]")).to_have_text("✓")
    press("Escape")
    press("r")
    bob.keyboard.type("b c=a d")
    expect(words).to_have_text("B > C = A > D")
    expect(bob.locator("[data-place=positive]")).to_be_hidden()
    press("Enter")
    press("Tab")
    press("Space")
    expect(words).to_have_text("A = B = C = D")
    press("Space")
    expect(words).to_have_text("B > C = A > D")


def test_digits_typed_into_a_reason_score_nothing_and_buttons_rank(bob: Page, session: Session) -> None:
    bob.locator("[data-reason]").first.click()
    bob.keyboard.type("12345")
    expect(bob.locator("[data-kind=scores] [data-count]")).to_have_text("0/12")
    for _ in range(4):
        bob.locator("[data-pool] [data-act=add]").first.click()
    bob.locator("[data-lane] [data-act=worse]").first.click()
    expect(bob.locator("[data-words]").first).to_have_text("B > A > C > D")
    expect(bob.locator("#live")).to_contain_text("A is now second of 4")
    bob.locator("[data-lane] [data-gap]").last.click()
    expect(bob.locator("[data-words]").first).to_have_text("B > A > C = D")


def test_no_model_name_reaches_the_browser(bob: Page, session: Session) -> None:
    seen = [bob.content()]
    bob.on("response", lambda answer: seen.append(answer.url))
    bob.reload(wait_until="networkidle")
    seen.append(bob.content())
    assert len(seen) > 3
    assert not any("secret-model" in text for text in seen)
    assert session.scalars(sa.select(Lease.user_id)).all() != []
