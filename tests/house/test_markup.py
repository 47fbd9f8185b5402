"""Markup in every text field of the application's own forms and API is stored or refused, and never part of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.web import SAFE
from app.main import app
from app.projects.rubric import DEFAULT
from tests.house.test_access import BY_COLLEAGUE, Row, address, body, rows
from tests.house.world import World, build

MARK = "\"'><img src=x onerror=alert(7)><script>alert(7)</script>"
SECRETS = {"password", "present", "new", "code", "key"}
"""Kept as hashes or not at all, and shown nowhere."""

REFUSED = {
    "language", "email", "next", "confirmed", "scope", "slug", "role", "domain", "question_type", "kind", "use",
    "order", "verified", "rule", "answer", "flagged", "unselected", "mark", "file", "place", "level",
    "daily_quota", "total_quota", "cluster_quota", "gold_percent", "pass_mark", "pause_below", "pause_of", "pause_from",
    "later_percent", "newcomer_first", "disagreement_above", "gold_failures", "standing", "root", "folder",
    "contradiction_above",
    "key_name", "price_in", "price_out", "requests_per_minute", "tokens_per_minute", "concurrency",
    "url", "hears", "left", "right", "reward", "choice", "picture",
    "action", "area", "within", "words", "aside", "cluster", "danger", "names", "into", "veils",
}  # fmt: skip
"""Fields of a shape of their own, which markup has not: what is said of it may not hold it as an element either."""


class Reader(HTMLParser):
    """Notes what of MARK became an element, an attribute or a script."""

    def __init__(self) -> None:
        super().__init__()
        self.harm: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        if ("src", "x") in attrs or any(name.startswith("on") for name, _value in attrs):
            self.harm.append(f"<{tag} {attrs}>")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script" and data.startswith("alert(7)"):
            self.harm.append(f"<script>{data[:40]}")


def harm(answer: Response) -> list[str]:
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return []
    reader = Reader()
    reader.feed(answer.text)
    return reader.harm


def test_what_became_an_element_is_seen() -> None:
    """The reader below is not blind."""
    page = Response(200, html=f'<p title="{MARK}">{MARK}</p>')
    assert len(harm(page)) == 4


@pytest.fixture
def world(session: Session) -> World:
    return build(session)


@pytest.fixture
def asking(world: World) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client


def fields(row: Row) -> dict[str, str]:
    """The text fields of a route's form or JSON, each with its type, as the application describes them."""
    described = app.openapi()
    path = row.path.replace(":int", "").replace(":path", "")
    content = described["paths"][path][row.method.lower()].get("requestBody", {}).get("content", {})
    schema = next(iter(content.values()), {}).get("schema", {})
    schema = described["components"]["schemas"].get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
    return {
        name: kind
        for name, about in schema.get("properties", {}).items()
        for each in [about, *about.get("anyOf", [])]
        if (kind := each.get("type")) == "string" or (kind == "array" and each.get("items", {}).get("type") == "string")
    }


def marked(content: Any) -> Any:
    """The content of an annotation with MARK in whatever people write in it."""
    reasons = dict.fromkeys(content["reasons"], MARK)
    return {**content, "reasons": reasons, "rank_reason": MARK}


DEFAULTS: dict[str, Any] = {
    "/people": {"email": "new@example.org", "name": "New"},
    "/projects": {"name": "Rivers", "slug": "rivers", "overlap": 1},
    "/projects/{slug}/settings": {"name": "Streets", "overlap": 1, "lease_minutes": 60},
    "/projects/{slug}/people": {"email": "another@example.org", "role": "annotator", "name": "Another"},
    "/projects/{slug}/rubric": {
        "key": DEFAULT.keys, "name": DEFAULT.keys, "guidance": DEFAULT.keys, "level": list("abcde") * 3,
        "anchor": [""] * 15, "examples": [""] * 3,
    },
    "/projects/{slug}/samples/curation": {"action": "tag", "tag": "odd", "domain": "image"},
    "/projects/{slug}/clusters/renaming": {"cluster": "a", "name": "b"},
    "/projects/{slug}/clusters/merger": {"into": "a", "names": ["b"]},
    "/projects/{slug}/samples/uploads": {"name": "a.jsonl", "size": 9},
    "/account/tokens": {"name": "mine", "scope": "read", "days": 3},
    "/projects/{slug}/datasets": {"name": "second"},
    "/projects/{slug}/flags/{flag_id}/resolution": {"note": "Seen"},
    "/projects/{slug}/reannotations": {"expected": 3, "reason": "Again"},
    "/projects/{slug}/runs/models": {"name": "other", "model": "m"},
    "/projects/{slug}/runs/{run_id:int}/cancellation": {"reason": "Enough"},
}  # fmt: skip
STATE = {403, 404, 409}
"""What was ended a moment ago refuses the same field of the next verb: it has been tried then."""

UNTOLD = {"/password-links/{secret}"}
"""It ends the annotator's sign-ins; its name goes the way of /account/name."""

LAST = (
    "/pause",
    "/correction",
    "/acceptance",
    "/return",
    "/rejection",
    "/reannotations",
    "/skip",
    "/erasure",
    "/adjudication",
)
"""What ends things goes after the others, in this order."""


def asked(row: Row, world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each text field of a route with a body that holds MARK there, and else what the verb accepts."""
    task = world.own["task_id"]
    given = body(row, world, task) or {"json" if "uploads" in row.path else "data": DEFAULTS.get(row.path, {})}
    where, values = next(iter(given.items()))
    if "/reviews/{annotation_id}/" in row.path:  # one verdict ends it: all that it may say at once
        content = (
            {"content": json.dumps(marked(world.correction) | {"rank_reason": MARK * 2})}
            if row.path.endswith("correction")
            else {}
        )
        said = {"revision": 2, "comment": MARK, "place": ["rank_reason"], "remark": [MARK], **content}
        yield "comment", {where: {**values, **said}}
        return
    for name, kind in fields(row).items():
        if name == "content":  # a form's JSON
            yield name, {where: {**values, name: json.dumps(marked(json.loads(values[name])))}}
        elif name not in SECRETS:
            before = values.get(name) if isinstance(values.get(name), list) else [""]
            yield name, {where: {**values, name: [MARK, *before[1:]] if kind == "array" else MARK}}
    if isinstance(values.get("content"), dict):
        yield "content", {where: {**values, "content": marked(values["content"])}}


def place(row: Row) -> int:
    return next((number for number, end in enumerate(LAST, 1) if row.path.endswith(end)), 0)


def caller_of(row: Row, world: World) -> str:
    return BY_COLLEAGUE.get(row.guard, row.guard if row.guard in world.callers else "annotator")


def ask(client: TestClient, world: World, row: Row, **sent: Any) -> Response:
    client.cookies.clear()
    headers = {"accept": "text/html", **world.callers[caller_of(row, world)]}
    return client.request(row.method, address(row, world.own), headers=headers, **sent)


def test_markup_in_any_text_field_is_never_an_element_of_any_page(asking: TestClient, world: World) -> None:
    wrong, lost = [], []
    taken: set[str] = set()
    for row in sorted(rows(), key=place):
        for name, sent in asked(row, world) if row.method not in SAFE and row.path not in UNTOLD else ():
            answer = ask(asking, world, row, **sent)
            wrong += [f"{row.method} {row.path} {name}: {each}" for each in harm(answer)]
            if answer.status_code < 400:
                taken.add(name)
            elif name not in REFUSED and (answer.status_code not in STATE or name not in taken):
                said = re.search(r'<h1 id="what">(.*?)</h1>', answer.text)
                lost.append(f"{row.method} {row.path} {name}: {answer.status_code} {said[1] if said else ''}")
    shown = 0
    for row in rows():
        if row.method == "GET" and not row.path.endswith("/events"):
            answer = ask(asking, world, row)
            shown += MARK.replace("<", "&lt;")[-20:] in answer.text or "&lt;img src=x" in answer.text
            wrong += [f"{row.path}: {each}" for each in harm(answer)]
    assert not wrong, "\n".join(wrong)
    assert not lost, "not stored, so not shown either:\n" + "\n".join(lost)
    assert shown > 15, f"only {shown} pages show what was stored"
