"""Waiting for what a page does behind its face."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import Error, Page

KEPT = "kept in this browser"


def until(page: Page, expression: str) -> None:
    """Wait for it; the page's policy forbids Playwright's own waiting, which evaluates text."""
    for _ in range(200):
        with suppress(Error):  # it went to another page at that moment
            if page.evaluate(expression):
                return
        page.wait_for_timeout(100)
    raise AssertionError(f"it never came to be: {expression}")


def sent(page: Page) -> None:
    """Wait until no finished work waits in the browser any more."""
    until(page, "!Object.keys(localStorage).some((key) => key.startsWith('assay.outbox'))")


def confirmed(page: Page, first: str, by: Callable[[Page], None] | None = None) -> None:
    """Wait until submitted work has left the page at `first`, or the page says that it keeps it.

    Nobody reads as fast as a test, so the page may ask once whether that was meant; `by` answers it (a click, if none).
    """
    for _ in range(300):
        with suppress(Error):  # it went to another page at that moment
            if page.url != first or KEPT in (page.locator("[data-notice]").text_content(timeout=1000) or ""):
                return
            if page.locator("#odd[open]").count():
                by(page) if by else page.locator("#odd [value=yes]").click(timeout=2000)
        page.wait_for_timeout(100)
    raise AssertionError(f"the page stayed at {first}")
