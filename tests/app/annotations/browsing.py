"""Waiting for what a page does behind its face."""

from __future__ import annotations

from contextlib import suppress

from playwright.sync_api import Error, Page


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
