"""The site served from this process, and an annotator's browser in front of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.main import app
from tests import cast
from tests.app.annotations import desk
from tests.patience import patient

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def address(session: Session) -> Iterator[str]:
    """The site, served from this process on a free port. A page that a failed test left open does not hold its end."""
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browser_context(session: Session, address: str, browser: Browser) -> Iterator[BrowserContext]:
    """A browser in which Bob, an annotator of a project with three samples, is signed in."""
    person = desk.annotator(session, desk.project(session, samples=3)).user
    secret = sign_in(session, person.email, cast.PASSWORD)
    session.commit()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    yield context
    context.close()


@pytest.fixture
def bob(address: str, browser_context: BrowserContext) -> Iterator[Page]:
    """Bob's browser, on the page of his first task."""
    page = patient(browser_context.new_page())
    page.problems = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda problem: page.problems.append(str(problem)))  # type: ignore[attr-defined]
    page.goto(f"{address}/projects/streets/annotate")
    yield page
    assert page.problems == []  # type: ignore[attr-defined]
