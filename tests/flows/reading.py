"""Whether a page can be read by everybody: by axe in light and dark, at 200 % zoom, without motion.

`READERS` names one address for every page that the site has; a test compares it with the site's own routes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AT = "/projects/{slug}"
AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))
SHORT = """() => document.querySelectorAll("tbody > tr:nth-child(n+5)").forEach((row) => row.remove())"""
"""A table's rows are alike: some of them stand for all."""
RUN = """async (runOnly) => {
  const found = await axe.run(document, { runOnly, resultTypes: ["violations"], preload: false, iframes: false });
  return found.violations.flatMap(({ id, nodes }) => nodes.map((at) => `${id}: ${at.target} ${at.failureSummary}`));
}"""
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
CONTROLS = """() => [...document.querySelectorAll("main :is(a, button, input, select, textarea, summary, h1, h2, h3)")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }))
  .map((each) => `${each.localName} ${each.getAttribute("aria-label") ?? each.name ?? each.textContent.trim()}`)"""
CUT = """() => [...document.querySelectorAll("main *, header *")].filter((each) => {
  const style = getComputedStyle(each);
  return each.childElementCount === 0 && each.textContent.trim() && each.checkVisibility()
    && style.overflowX === "hidden" && style.textOverflow !== "ellipsis"
    && each.clientWidth > 1 && each.scrollWidth > each.clientWidth + 1;
}).map((each) => each.outerHTML.slice(0, 120))"""
MOVING = """() => [...document.querySelectorAll("*")].filter((each) => {
  const style = getComputedStyle(each);
  return `${style.transitionDuration},${style.animationDuration}`.split(",").some((time) => parseFloat(time) > 0.001);
}).map((each) => each.outerHTML.slice(0, 80))"""

Way = str | Callable[[Page], str]


def link_in(address: str, selector: str) -> Callable[[Page], str]:
    """The address that a link of another page leads to."""

    def find(page: Page) -> str:
        page.goto(address)
        return page.locator(selector).first.get_attribute("href") or ""

    return find


def posted(page: Page, path: str, **fields: str | float | bool) -> str:
    """Send a form; the text of what answers."""
    answer = page.request.post(path, form=fields, headers={"origin": re.sub(r"(//[^/]+).*", r"\1", page.url)})
    assert answer.ok, answer.text()
    return answer.text()


def checkpoint(page: Page) -> str:
    """The page of a checkpoint, once the demonstration's first runs have left one."""
    for _look in range(150):
        page.goto("/projects/demo/runs/checkpoints")
        if (links := page.locator("main td a")).count():
            return links.first.get_attribute("href") or ""
        page.wait_for_timeout(2000)
    raise AssertionError("the first runs left no checkpoint")


def deletion(page: Page) -> str:
    """The question before a checkpoint's weights are deleted."""
    return f"{checkpoint(page)}/deletion"


def webhook(page: Page) -> str:
    """The page of one that nothing is sent to: there is no network behind the tests."""
    page.goto("/projects/demo/runs/webhooks")
    if not (links := page.locator("main td a")).count():
        posted(page, "/projects/demo/runs/webhooks", url="https://93.184.215.14/runs", hears="failed")
        page.reload()
    return links.first.get_attribute("href") or ""


def turn(page: Page) -> str:
    """Two answers that were asked for, once the demonstration's first runs have left a policy."""
    at = "/projects/demo/runs/playground"
    for _look in range(150):
        page.goto(at)
        if (policies := page.locator("#field-left option")).count() > 1:
            policy = policies.first.get_attribute("value") or ""
            posted(page, f"{at}/turns", question="What is shown?", left=policy, right="base", longest=64)
            page.goto(at)
            page.locator("main td a").first.click()
            page.locator("#vote").wait_for(timeout=120_000)  # until then the page grows, and is asked for anew
            return page.url
        page.wait_for_timeout(2000)
    raise AssertionError("the first runs left no policy")


def sampling(page: Page) -> str:
    """The page of a pick that is made for it."""
    page.goto("/projects/demo/samplings/new")
    page.uncheck("#fresh")  # every sample of the demonstration has tasks
    page.click("main form .actions button")
    page.wait_for_url(re.compile(r"/samplings/\d+$"))
    return page.url


def password_link(page: Page) -> str:
    page.goto("/people")
    newcomer = f"{secrets.token_hex(4)}@example.org"  # another one where the walk is made again
    link = re.search(r'id="link">[^<]*?(/password-links/[^<]+)<', posted(page, "/people", email=newcomer))
    assert link
    return link[1]


def second_factor(page: Page) -> str:
    page.goto("/account")
    posted(page, "/account/second-factor")
    return "/account/second-factor"


def upload(page: Page) -> str:
    page.goto("/projects/demo/samples/import")
    line = b'{"id": "one", "prompt": "What is it?", "responses": [{"model": "a", "text": "A hat."}]}\nnot a line\n'
    page.set_input_files("[name=file]", {"name": "one.jsonl", "mimeType": "application/jsonl", "buffer": line})
    page.locator("main form [type=submit], main form button").first.click()
    page.wait_for_url("**/imports/*")
    return page.url


def nothing_left(page: Page) -> str:
    """A project without a sample: its queue is empty."""
    page.goto("/projects/new")
    if not page.request.get("/projects/blank").ok:
        posted(page, "/projects", name="Blank", slug="blank", overlap="1")
    return "/projects/blank/annotate"


READERS: dict[str, list[tuple[str, Way]]] = {
    "": [("/sign-in", "/sign-in"), ("/sign-in/code", "/sign-in/code"), ("/forgotten", "/forgotten")],
    "admin": [
        ("/", "/"),
        ("/people", "/people"),
        ("/people/{user_id}/erasure", link_in("/people", "a[href$=erasure]")),
        ("/password-links/{secret}", password_link),
        ("/audit", "/audit"),
        ("/style-guide", "/style-guide"),
        ("/projects/new", "/projects/new"),
        (f"{AT}/annotate", nothing_left),
        (f"{AT}/practice", "/projects/blank/practice"),
        (AT, "/projects/demo"),
        (f"{AT}/settings", "/projects/demo/settings"),
        (f"{AT}/guidelines", "/projects/demo/guidelines"),
        (f"{AT}/guidelines/{{number}}", "/projects/demo/guidelines/1"),
        (f"{AT}/samples", "/projects/demo/samples"),
        (f"{AT}/map", "/projects/demo/map"),
        (f"{AT}/clusters", "/projects/demo/clusters"),
        (f"{AT}/samplings", "/projects/demo/samplings"),
        (f"{AT}/samplings/new", "/projects/demo/samplings/new"),
        (f"{AT}/samplings/{{sampling_id}}", sampling),
        (f"{AT}/samples/import", "/projects/demo/samples/import"),
        (f"{AT}/samples/imports/{{token}}", upload),
        (f"{AT}/samples/{{sample_id}}", link_in("/projects/demo/samples", "a[href*='/samples/']:not([href*=import])")),
        (f"{AT}/samples/{{sample_id}}/adjudication", link_in("/projects/demo/adjudications", "a[href$=adjudication]")),
        (f"{AT}/samples/{{sample_id}}/gold", "/projects/demo/samples/36/gold"),
        (f"{AT}/gold", "/projects/demo/gold"),
        (f"{AT}/queue", "/projects/demo/queue"),
        (f"{AT}/flags", "/projects/demo/flags"),
        (f"{AT}/reviews/rules", "/projects/demo/reviews/rules"),
        (f"{AT}/adjudications", "/projects/demo/adjudications"),
        (f"{AT}/reannotations", "/projects/demo/reannotations"),
        (f"{AT}/quality", "/projects/demo/quality"),
        (f"{AT}/quality/people", "/projects/demo/quality/people"),
        (f"{AT}/quality/people/{{user_id}}", link_in("/projects/demo/quality/people", "a[href*='/quality/people/']")),
        (f"{AT}/quality/annotations", "/projects/demo/quality/annotations"),
        (f"{AT}/quality/reward-model", "/projects/demo/quality/reward-model"),
    ],
    "rosa": [
        ("/", "/"),
        (f"{AT}/reviews", "/projects/demo/reviews"),
        (f"{AT}/reviews/{{annotation_id}}", link_in("/projects/demo/reviews", "main a[href*='/reviews/']")),
    ],
    "ana": [
        ("/", "/"),
        ("/notices", "/notices"),
        ("/account", "/account"),
        ("/account/second-factor", second_factor),
        (f"{AT}/annotate/{{task_id}}", "/projects/demo/annotate"),
        (f"{AT}/practice/{{gold_id}}", "/projects/demo/practice"),
        (f"{AT}/annotations/mine", "/projects/demo/annotations/mine"),
        (
            f"{AT}/annotations/{{annotation_id}}/revision",
            link_in("/projects/demo/annotations/mine", "a[href$=revision]"),
        ),
    ],
    "rui": [
        (f"{AT}/runs", "/projects/demo/runs"),
        (f"{AT}/runs/new", "/projects/demo/runs/new?recipe=mm_dpo"),
        (f"{AT}/runs/{{run_id}}", "/projects/demo/runs/4"),
        (f"{AT}/runs/comparison", "/projects/demo/runs/comparison?ids=2,3,4,5"),
        (f"{AT}/runs/chains/new", "/projects/demo/runs/chains/new?preset=tiny"),
        (f"{AT}/runs/groups", "/projects/demo/runs/groups"),
        (f"{AT}/runs/groups/{{group_id}}", "/projects/demo/runs/groups/1"),
        (f"{AT}/runs/workers", "/projects/demo/runs/workers"),
        (f"{AT}/runs/models", "/projects/demo/runs/models"),
        (f"{AT}/runs/playground", "/projects/demo/runs/playground"),
        (f"{AT}/runs/playground/turns/{{turn_id}}", turn),
        (f"{AT}/runs/webhooks", "/projects/demo/runs/webhooks"),
        (f"{AT}/runs/webhooks/{{webhook_id}}", webhook),
        (f"{AT}/runs/checkpoints", "/projects/demo/runs/checkpoints"),
        (f"{AT}/runs/checkpoints/retention", "/projects/demo/runs/checkpoints/retention"),
        (f"{AT}/runs/checkpoints/{{checkpoint_id}}", checkpoint),
        (f"{AT}/runs/checkpoints/{{checkpoint_id}}/deletion", deletion),
        (f"{AT}/datasets", "/projects/demo/datasets"),
        (f"{AT}/datasets/new", "/projects/demo/datasets/new"),
        (f"{AT}/datasets/{{dataset_id}}", "/projects/demo/datasets/1"),
    ],
}
"""Who reads which pages (nobody is signed in under ""), and where: an address, or how to come to one."""

NO_PAGES = re.compile(
    r"^/(api|language|notices)/|\.(csv|jsonl)$|^/(healthz|readyz|metrics)$"
    r"|/((signed-)?media/.*|turns/[^/]+/picture|download|events|log|log/search|history|estimate|responses|curves|rules/progress)$"
    r"|/(groups/[^/]+/state|workers/state|samplings/composition|map/points|map/pictures)$"
)
"""Routes that answer with data, files, streams and parts of pages, or lead on."""
WITH_A_PROVIDER = {
    "/account/identity",
    "/account/identity/confirmation",
    "/sign-in/provider",
    "/sign-in/provider/return",
}
"""Pages on the way to a provider of sign-in, of which the demonstration has none."""


def faults(page: Page, address: str) -> Iterator[str]:
    """What a reader would stumble over on this page, one sentence a fault."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 1024})
    answer = page.goto(address)
    assert answer, address
    if not answer.ok:
        yield f"answers {answer.status}"
    page.evaluate(SHORT)
    page.evaluate(AXE.read_text())
    yield from page.evaluate(RUN, LEVELS)
    page.emulate_media(color_scheme="dark")
    yield from (f"in the dark, {fault}" for fault in page.evaluate(RUN, CONTRAST))
    yield from (f"moves: {each}" for each in page.evaluate(MOVING))
    controls = page.evaluate(CONTROLS)
    page.set_viewport_size({"width": 640, "height": 512})  # 1280 × 1024 at 200 %
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > 640:
        yield f"at 200 % it is {width} px wide, so it scrolls both ways"
    left = page.evaluate(CONTROLS)
    yield from (f"at 200 % it lacks {each!r}" for each in controls if each not in left)
    yield from (f"at 200 % words are cut off: {each}" for each in page.evaluate(CUT))
