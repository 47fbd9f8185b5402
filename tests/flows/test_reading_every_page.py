"""Every page, for everybody: WCAG 2.2 AA by axe in light and dark, at 200 % zoom, and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from app.main import ROUTERS
from tests.house.test_house import routes_of

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
LINK = re.compile(r'\s(?:href|data-next)="(/[^"#]*)"')
PEOPLE = ("admin", "rosa", "ana", "rui")
UNLINKED = {
    "/password-links/{secret}": "comes in a letter",
    "/sign-in/code": "needs a second factor",
    "/account/second-factor": "is made by a form",
    "/projects/{slug}/annotate/{task_id}": "a returned annotation leads there",
    "/projects/{slug}/annotations/{annotation_id}/revision": "an annotation without a verdict leads there",
    "/projects/{slug}/samples/imports/{upload}": "an upload leads there",
}
"""Pages that no link of the demonstration leads to, and why."""


def pages() -> dict[str, re.Pattern[str]]:
    """Path → what it matches, of every GET route that answers with a page."""
    routes = [route for router in ROUTERS for route in routes_of(router) if "GET" in route.methods]
    return {route.path: route.path_regex for route in routes if not route.path.startswith(("/api/", "/language/"))}


def reached(page: Page, wanted: dict[str, re.Pattern[str]]) -> dict[str, str]:
    """One address of each wanted page that this person can reach by links, found breadth first."""
    found: dict[str, str] = {}
    seen, queue = {"/"}, ["/"]
    while queue:
        address = queue.pop(0)
        path = address.partition("?")[0]
        route = next((name for name, shape in wanted.items() if shape.match(path)), None)
        if route is None or route in found:
            continue
        answer = page.request.get(address)
        if not answer.ok or "text/html" not in answer.headers.get("content-type", ""):
            continue
        found[route] = address
        for link in LINK.findall(answer.text().replace("&amp;", "&")):
            if link not in seen:
                seen.add(link)
                queue.append(link)
    return found


def faults(page: Page, rules: dict[str, object]) -> list[str]:
    violations = Axe().run(page, options=rules).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary'][:300]}"
        for each in violations
        for node in each["nodes"]
    ]


def check(page: Page, address: str) -> list[str]:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(address)
    found = faults(page, RULES)
    page.emulate_media(color_scheme="dark")
    found += [f"in the dark: {fault}" for fault in faults(page, CONTRAST)]
    page.set_viewport_size({"width": 640, "height": 400})  # 1280 × 800 at 200 %
    width = page.evaluate("document.documentElement.scrollWidth")
    return [*found, *([f"at 200 % the page is {width} px wide, so it scrolls both ways"] if width > 640 else [])]


@pytest.mark.timeout(600)
def test_every_page_can_be_read_by_everybody(enter: Callable[[str], Page]) -> None:
    left = pages()
    problems: list[str] = []
    stay: set[str] = set()
    for name in PEOPLE:
        page = enter(name)
        for route, address in reached(page, pages()).items():
            if route in left and route not in stay:
                stay.add(route)
                problems += [f"{address}: {fault}" for fault in check(page, address)]
    assert len(stay) > 20, f"the walk found too few pages: {sorted(stay)}"
    assert not problems, "\n".join(problems)


def test_moving_parts_rest_where_the_reader_asks_for_it(enter: Callable[[str], Page]) -> None:
    page = enter("ana")
    page.emulate_media(reduced_motion="reduce")
    page.goto("/")
    moving = """[...document.querySelectorAll("*")].filter((each) => {
      const style = getComputedStyle(each);
      const seconds = (value) => Math.max(...value.split(",").map((each) => parseFloat(each)));
      return seconds(style.transitionDuration) > 0.001 || seconds(style.animationDuration) > 0.001;
    }).map((each) => each.outerHTML.slice(0, 80))"""
    assert page.evaluate(moving) == []


def test_the_pages_speak_chinese_as_soon_as_the_person_does(enter: Callable[[str], Page]) -> None:
    page = enter("ana")
    page.locator("summary").filter(has_text="Ana").click()
    page.get_by_role("button", name="简体中文").click()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    slug = page.locator("a[href^='/projects/']").first.get_attribute("href")
    page.goto(f"{slug}/annotate")
    page.get_by_role("button", name="提交").wait_for()
    assert page.locator("[data-ranking] [data-words]").inner_text() == "尚未排序"
