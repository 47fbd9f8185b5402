"""The workspace by mouse and by touch: large pictures and videos, marks in responses, an own ranking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.annotations.tables import Annotation
from app.demo import content, media
from app.projects.tables import Project
from app.samples.importing import import_samples
from app.samples.tables import Medium
from app.tasks import actions as tasks
from tests import cast
from tests.app.annotations import desk
from tests.app.annotations.browsing import confirmed, sent
from tests.app.annotations.fingers import drag, pinch_open
from tests.patience import patient
from worker import jobs

HIGHLIGHTED = "name => [...(CSS.highlights.get(name) ?? [])].map(String)"
REPLIES = [{"model": f"m{number}", "text": text} for number, text in enumerate(["B. four", "**B**", "four, so B", "B"])]


def reason_and_submit(page: Page) -> None:
    for number, field in enumerate(page.locator("[data-reason]").all()):
        if not field.input_value():
            field.fill(f"Reason {number}")
    page.locator("[data-rank-reason]").fill("The first is complete.")
    page.locator("#submit").click()


def test_a_sample_is_judged_by_mouse_and_its_marks_reach_the_reviewer(
    bob: Page, session: Session, browser: Browser, address: str
) -> None:
    bob.locator("[data-text] p").first.dblclick(position={"x": 12, "y": 10})
    bob.get_by_role("button", name="Wrong").click()
    bob.locator("[data-span-note]").fill("says nothing")
    assert bob.evaluate(HIGHLIGHTED, "wrong") == ["Reply"]
    bob.locator("[data-span-quoted]").click()
    expect(bob.locator("[data-reason]").first).to_have_value("“Reply”: says nothing ")
    expect(bob.locator("[data-saving]")).to_have_attribute("data-saving", "saved")
    bob.reload()
    assert bob.evaluate(HIGHLIGHTED, "wrong") == ["Reply"]
    expect(bob.locator("[data-span-note]")).to_have_value("says nothing")
    expect(bob.locator("[data-length]").first).to_be_hidden()
    for number in range(12):
        bob.locator("[data-cell]").nth(number).click()
        bob.locator(f"[data-levels] [data-score='{5 - number % 4}']").click()
    expect(bob.locator("[data-length]").first).to_have_text("6 words")
    bob.locator("[data-pool] [data-handle]").first.drag_to(bob.locator("[data-lane]"))
    for _ in range(3):
        bob.locator("[data-pool] [data-act=add]").first.click()
    bob.locator("[data-lane] [data-gap]").last.click()
    expect(bob.locator("[data-words]").first).to_have_text("A > B > C = D")
    first = bob.url
    reason_and_submit(bob)
    confirmed(bob, first)
    sent(bob)
    annotation = session.scalars(sa.select(Annotation)).one()
    assert [(span["quote"], span["kind"], span["note"]) for span in annotation.latest.content["spans"]] == [
        ("Reply", "wrong", "says nothing")
    ]
    rosa = desk.reviewer(session, session.scalars(sa.select(Project)).one()).user
    page = enter(browser, session, address, rosa.email)
    page.goto(f"{address}/projects/streets/reviews/{annotation.id}")
    expect(page.locator("[data-spans] q")).to_have_text("Reply")
    expect(page.locator("[data-span-note]")).to_have_value("says nothing")
    assert page.evaluate(HIGHLIGHTED, "wrong") == ["Reply"]
    page.context.close()


def enter(browser: Browser, session: Session, address: str, email: str, **context: object) -> Page:
    secret = sign_in(session, email, cast.PASSWORD)
    session.commit()
    opened = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
    opened.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    return patient(opened.new_page())


def test_a_suggested_ranking_is_asked_about_and_the_handle_obeys_the_arrows(bob: Page) -> None:
    suggestion = bob.get_by_role("button", name="Order by my scores")
    expect(suggestion).to_be_hidden()
    for key in "5432" * 3:
        bob.keyboard.press(key)
    suggestion.click()
    expect(bob.locator("[data-words]").first).to_have_text("A > B > C > D")
    expect(bob.get_by_text("as your scores suggest")).to_be_visible()
    reason_and_submit(bob)
    expect(bob.locator("#odd")).to_contain_text("your scores suggest, unchanged")
    bob.locator("#odd [value=no]").click()
    handle = bob.locator("[data-lane] [data-handle]").first
    handle.focus()
    bob.keyboard.press("ArrowRight")
    bob.keyboard.press("=")
    expect(bob.locator("[data-words]").first).to_have_text("B = A > C > D")
    expect(bob.locator("#live")).to_have_text("A is now second of 4: B and A equal first, then C, then D")
    expect(bob.get_by_text("as your scores suggest")).to_be_hidden()


def test_differences_found_words_and_plain_text_are_shown_on_demand(bob: Page) -> None:
    bob.keyboard.press("d")
    assert len(bob.evaluate(HIGHLIGHTED, "differs")) == 2
    bob.keyboard.press("/")
    bob.keyboard.type("reply number")
    expect(bob.locator("[data-found]")).to_contain_text("1 of 4, in A")
    bob.keyboard.press("Enter")
    expect(bob.locator("[data-found]")).to_contain_text("2 of 4, in B")
    bob.get_by_role("button", name="Mark as good").click()
    expect(bob.locator("[data-spans] q")).to_have_text("Reply number")
    bob.keyboard.press("Escape")
    bob.keyboard.press("x")
    expect(bob.locator("[data-plain]").first).to_contain_text("Reply number")
    expect(bob.locator("[data-text]").first).to_be_hidden()


@pytest.fixture
def shown(
    session: Session,
    address: str,
    browser: Browser,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Page:
    """Bob before the one sample whose line the test gives."""
    monkeypatch.setattr(jobs, "PREPARE_FOR", 3600)  # nobody else's turn comes between
    alice, bob = cast.user(session, "alice", is_admin=True), cast.user(session, "bob")
    project = cast.project(session, alice)
    cast.seat(session, bob, project, "annotator")
    line, context = request.param
    Image.linear_gradient("L").resize((5000, 3000)).convert("RGB").save(tmp_path / "large.jpg", quality=60)
    if "video" in line:
        (tmp_path / "clip.mp4").write_bytes(media.find(content.media()["bunny"]).read_bytes())
    report = import_samples(session, project, [json.dumps({"responses": REPLIES, **line})], tmp_path, alice)
    assert report.faults == []
    tasks.cut_tasks(session, project, alice)
    session.commit()
    jobs.prepare_media(list(session.scalars(sa.select(Medium.id))))
    page = enter(browser, session, address, bob.email, **context)
    page.asked = []  # type: ignore[attr-defined]
    page.on("response", lambda answer: page.asked.append((answer.status, answer.url.split("/media/")[-1])))  # type: ignore[attr-defined]
    page.goto(f"{address}/projects/streets/annotate")
    page.wait_for_timeout(400)
    return page


LARGE = {"prompt": "What is shown?\nA. three\nB. four\nC. five\nD. six", "image": "large.jpg"}


@pytest.mark.parametrize("shown", [(LARGE, {})], indirect=True)
def test_a_huge_picture_opens_small_sharpens_by_tiles_and_a_wrong_option_is_picked(shown: Page) -> None:
    asked: list[tuple[int, str]] = shown.asked  # type: ignore[attr-defined]
    assert [url.partition("?")[2] for _, url in asked if url[0].isdigit()] == ["size=display"]
    shown.keyboard.press("9")
    expect(shown.locator("[data-scale]")).to_have_text("100 %")
    expect(shown.locator(".tiles img").first).to_be_visible()
    shown.keyboard.press("t")
    shown.keyboard.press("0")
    shown.wait_for_timeout(200)
    media = [url for status, url in asked if url[0].isdigit() and status == 200]
    assert {"tiles/13"} <= {"/".join(url.split("/")[1:3]) for url in media}
    assert not any(url.isdigit() for url in media), "the whole file was asked for"
    shown.locator("[data-tie]").check()
    shown.locator("[value=negative]").check()
    expect(shown.get_by_role("button", name="B. four")).to_be_disabled()
    shown.get_by_role("button", name="C. five").click()
    expect(shown.locator('[data-place="negative.text"]')).to_have_value("C. five")
    expect(shown.locator("[data-diff] ins").first).to_contain_text("C.")


@pytest.mark.parametrize("shown", [({"prompt": "What happens?", "video": "clip.mp4"}, {})], indirect=True)
def test_a_video_is_stepped_by_frames_and_shows_what_the_models_saw(shown: Page) -> None:
    asked: list[tuple[int, str]] = shown.asked  # type: ignore[attr-defined]
    expect(shown.locator(".viewer-count")).to_contain_text("frame 1")
    for number in (2, 3, 4):
        shown.keyboard.press(".")
        expect(shown.locator(".viewer-count")).to_contain_text(f"frame {number}")
    shown.keyboard.press(",")
    expect(shown.locator(".viewer-count")).to_contain_text("frame 3")
    assert 206 in {status for status, url in asked if url.isdigit()}
    shown.locator("[data-thumb]").nth(3).click()
    expect(shown.locator("[data-pane]:not([hidden]) img")).to_be_visible()
    shown.get_by_role("button", name="Back to the video").click()
    expect(shown.locator("[data-thumb][aria-current]")).to_have_attribute("aria-label", "Frame 4, at 2.2 seconds")


TOUCH = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}


@pytest.mark.parametrize(
    "shown",
    [
        (
            {"prompt": "Which?", "images": ["large.jpg", "large.jpg"]},
            {**TOUCH, "viewport": {"width": 390, "height": 844}},
        ),
        (
            {"prompt": "Which?", "images": ["large.jpg", "large.jpg"]},
            {**TOUCH, "viewport": {"width": 820, "height": 1180}},
        ),
    ],
    ids=["phone", "tablet"],
    indirect=True,
)
def test_a_sample_is_judged_by_touch(shown: Page, session: Session) -> None:
    wide = shown.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels too wide"
    shown.locator("[data-thumb]").nth(1).tap()
    before = shown.locator("[data-scale]").inner_text()
    pinch_open(shown, shown.locator("[data-glass]"))
    expect(shown.locator("[data-scale]")).not_to_have_text(before)
    for number in range(12):
        shown.locator(f"[data-levels] [data-score='{5 - number % 4}']").tap()
    for letter in "ABCD":
        drag(shown, shown.locator("[data-pool] [data-handle]").first, shown.locator("[data-lane]"))
        expect(shown.locator("[data-lane] [data-letter]").filter(has_text=letter)).to_be_visible()
    ranked = shown.locator("[data-words]").first.inner_text().split(" > ")
    assert sorted(ranked) == ["A", "B", "C", "D"]
    shown.locator("[data-lane] [data-gap]").last.tap()
    expect(shown.locator("[data-words]").first).to_have_text("{} > {} > {} = {}".format(*ranked))
    for number, field in enumerate([*shown.locator("[data-reason]").all(), shown.locator("[data-rank-reason]")]):
        field.tap()
        shown.keyboard.type(f"Because of {number}")
    first = shown.url
    shown.locator("#submit").tap()
    confirmed(shown, first, by=lambda page: page.locator("#odd [value=yes]").tap(timeout=2000))
    shown.wait_for_url("**/projects/streets/annotate")  # there was but one
    sent(shown)
    content = session.scalars(sa.select(Annotation)).one().latest.content
    assert sum(len(marks) for marks in content["scores"].values()) == 12
    assert [len(group) for group in content["ranking"]] == [1, 1, 2]
    assert sorted(content["reasons"].values()) == [f"Because of {number}" for number in range(4)]


@pytest.mark.parametrize("shown", [(LARGE, {**TOUCH, "viewport": {"width": 820, "height": 1180}})], indirect=True)
def test_a_tie_and_its_sample_are_given_by_touch(shown: Page, session: Session) -> None:
    for _ in range(12):
        shown.locator("[data-levels] [data-score='4']").tap()
    for number, field in enumerate([*shown.locator("[data-reason]").all(), shown.locator("[data-rank-reason]")]):
        field.tap()
        shown.keyboard.type(f"Because of {number}")
    shown.locator("label", has=shown.locator("[data-tie]")).tap()
    shown.locator("label", has=shown.locator("[value=negative]")).tap()
    shown.get_by_role("button", name="C. five").tap()
    expect(shown.locator("[data-diff] ins").first).to_contain_text("C.")
    first = shown.url
    shown.locator("#submit").tap()
    confirmed(shown, first, by=lambda page: page.locator("#odd [value=yes]").tap(timeout=2000))
    shown.wait_for_url("**/projects/streets/annotate")
    sent(shown)
    content = session.scalars(sa.select(Annotation)).one().latest.content
    assert content["tie"] and content["negative"]["text"] == "C. five"
