"""Safety samples tell what they are about; their pictures are veiled for whoever chose so."""

from __future__ import annotations

from fastapi.testclient import TestClient
from playwright.sync_api import Browser
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.core.html import ROOT
from app.datasets.counting import Census
from app.datasets.lines import Lines
from app.samples.queries import Filters, matching
from app.samples.schemas import SampleLine
from app.samples.tables import Sample
from tests import cast
from tests.app.annotations import desk
from tests.app.annotations.conftest import address, browser
from tests.patience import patient

__all__ = ["address", "browser"]


def test_a_danger_makes_a_safety_sample() -> None:
    line = SampleLine.model_validate({"prompt": "?", "image": "a.jpg", "danger": "hacking"})
    assert (line.danger, line.kind_of_domain) == ("hacking", "safety")
    assert SampleLine.model_validate({"prompt": "?", "image": "a.jpg"}).kind_of_domain == "image"


def test_samples_are_found_by_their_danger(session: Session, client: TestClient) -> None:
    rosa = cast.user(session, "Rosa", is_admin=False)
    project = cast.project(session, rosa, "Streets")
    seat = cast.seat(session, rosa, project, "reviewer")
    cast.sample(session, project, "a knife", domain="safety", danger="violence")
    cast.sample(session, project, "a cat")
    found = session.scalars(matching(seat, Filters(danger="violence")))
    assert [each.prompt for each in found] == ["a knife"]
    text = cast.sign_in(client, session, rosa).get("/projects/streets/samples?danger=violence").text
    assert "a knife" in text
    assert "a cat" not in text


def test_a_datasets_card_counts_dangers_where_there_are_any() -> None:
    line = {"split": "train", "question_type": "long", "domain": "safety", "responses": [], "tie": False}
    census = Census()
    census.add(Lines(line, [], {}, 1), 0)  # type: ignore[arg-type]
    assert "by_danger" not in census.as_counts()
    census.add(Lines({**line, "danger": "privacy"}, [], {}, 1), 0)  # type: ignore[arg-type]
    assert census.as_counts()["by_danger"] == {"privacy": {"samples": 1, "pairs": 0}}


def test_an_annotator_who_chose_so_sees_a_veil_first(session: Session, address: str, browser: Browser) -> None:
    project = desk.project(session, samples=1)
    sample = session.query(Sample).one()
    sample.domain, sample.danger = "safety", "self_injury"
    person = desk.annotator(session, project).user
    secret = sign_in(session, person.email, cast.PASSWORD)
    session.commit()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = patient(context.new_page())
    page.goto(f"{address}/projects/streets/annotate")
    assert page.locator("[data-veil]").count() == 0, "nobody asked for it"
    page.goto(f"{address}/account")
    page.check("#field-veils")
    page.locator("#veil button").click()
    page.goto(f"{address}/projects/streets/annotate")
    veil = page.locator("[data-veil]")
    assert "self-injury" in veil.inner_text()
    assert "blur" in page.locator("[data-glass]").evaluate("each => getComputedStyle(each).filter")
    page.keyboard.press("b")
    veil.wait_for(state="detached")
    assert page.locator("[data-glass]").evaluate("each => getComputedStyle(each).filter") == "none"
    page.reload()
    page.locator("[data-unveil]").click()
    veil.wait_for(state="detached")
    context.close()


def test_no_thumbnail_anywhere_is_shown_without_asking_whether_it_is_veiled() -> None:
    for page in sorted((ROOT / "templates").rglob("*.html")):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            shown = "<img" in line and "size=thumb" in line
            assert not shown or "user.veils" in line, f"{page.name}:{number} shows a thumbnail: veil it"
