"""Fingers on a touch screen: what Playwright's tap alone cannot do, by the browser's own touch events."""

from __future__ import annotations

from playwright.sync_api import CDPSession, Locator, Page

STEPS = 8
Point = tuple[float, float]


def middle(locator: Locator) -> Point:
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _touch(session: CDPSession, kind: str, points: list[Point]) -> None:
    touches = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def _move(page: Page, paths: list[tuple[Point, Point]]) -> None:
    """Put a finger down at the start of each path and lead all of them to the ends together."""
    session = page.context.new_cdp_session(page)
    _touch(session, "touchStart", [start for start, _end in paths])
    for step in range(1, STEPS + 1):
        share = step / STEPS
        _touch(session, "touchMove", [(a + (c - a) * share, b + (d - b) * share) for (a, b), (c, d) in paths])
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    _touch(session, "touchEnd", [])
    session.detach()


def drag(page: Page, thing: Locator, place: Locator) -> None:
    """By one finger, from the middle of the thing to the middle of the place; both are in sight."""
    place.scroll_into_view_if_needed()
    _move(page, [(middle(thing), middle(place))])


def pinch_open(page: Page, thing: Locator) -> None:
    """Two fingers go apart over the thing."""
    x, y = middle(thing)
    _move(page, [((x - 15, y), (x - 90, y)), ((x + 15, y), (x + 90, y))])
