"""Who may do what: the table of `routes.py` against the application's own routes, asked one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.web import SAFE
from tests.house.routes import ANSWERS, CALLERS, ROUTES
from tests.house.test_house import all_routes
from tests.house.world import World, ask, build, nothing_stays

WORDS = {"signed-in": "signed in", "in-person": "in person"}
DENIED = {401, 403, 404}
BY_COLLEAGUE = {"people's": "platform", "quality": "reviewer", "member": "annotator", "overseer": "reviewer"}
"""Who asks for things, where the guard is not itself the name of a caller."""


class Row(NamedTuple):
    method: str
    path: str
    guard: str
    own: str = ""
    others: str = ""
    elsewhere: str = ""


def rows() -> list[Row]:
    lines = [line.split() for line in ROUTES.splitlines()[2:] if line.strip()]
    return [Row(method, path, WORDS.get(guard, guard), *answers) for method, path, guard, *answers in lines]


def answers() -> dict[str, dict[str, str]]:
    """guard → caller → what they get."""
    found = {}
    for line in ANSWERS.splitlines()[2:]:
        name, *cells = re.split(r"\s{2,}", line.strip(), maxsplit=1)
        if cells:
            found[name] = dict(zip(CALLERS, cells[0].split(), strict=True))
    return found


def test_every_route_is_in_the_table() -> None:
    known = {(row.method, row.path) for row in rows()}
    there = {(method, path) for path, route in all_routes() for method in route.methods}
    assert not there - known, f"add to tests/house/routes.py who may ask for these: {sorted(there - known)}"
    assert not known - there, f"these routes are gone; take them out of tests/house/routes.py: {sorted(known - there)}"


def test_the_table_says_of_every_named_thing_whose_it_is() -> None:
    silent = [f"{row.method} {row.path}" for row in rows() if set(named(row)) - {"slug"} and not row.elsewhere]
    assert not silent, f"say what one's own, another's and another project's answer in tests/house/routes.py: {silent}"


def named(row: Row) -> list[str]:
    return re.findall(r"{(\w+)", row.path)


@pytest.fixture
def world(session: Session) -> World:
    return build(session)


@pytest.fixture
def asking(world: World) -> Iterator[TestClient]:
    with nothing_stays() as client:
        yield client


def address(row: Row, *ids: dict[str, Any]) -> str:
    """The path with what is named in it; the later ids win."""
    found = {name: value for each in ids for name, value in each.items()}
    return re.sub(r"{(\w+)(:\w+)?}", lambda match: str(found[match[1]]), row.path)


def test_each_caller_gets_what_the_table_says(asking: TestClient, world: World) -> None:
    wrong, expected = [], answers()
    for row in rows():
        for caller in CALLERS:
            if caller == "writer" and row.method in SAFE:
                continue  # there a token's scope says nothing
            wanted = expected[row.guard][caller]
            if caller == "reader" and wanted == "in" and row.method not in SAFE and row.guard != "anyone":
                wanted = "403"
            got = ask(asking, world, caller, row.method, address(row, world.own)).status_code
            if not (is_in(row, caller, got) if wanted == "in" else got == int(wanted)):
                wrong.append(f"{row.method} {row.path}: {caller} gets {got}, not {wanted}")
    assert not wrong, "\n".join(wrong)


def is_in(row: Row, caller: str, got: int) -> bool:
    """Past the guard. The things are the annotator's: anybody else may be told so."""
    if row.path == "/readyz" and got == 503:  # no broker stands behind a test
        return True
    return (got not in DENIED and got < 500) or (caller != "annotator" and str(got) == row.others)


def test_things_of_others_answer_what_the_table_says(asking: TestClient, world: World) -> None:
    """The same caller, with every right that the route asks for, and a body that would do."""
    wrong = []
    for row in rows():
        caller = BY_COLLEAGUE.get(row.guard, row.guard if row.guard in CALLERS else "annotator")
        for whose, ids in (("own", world.own), ("others", world.others), ("elsewhere", world.elsewhere)):
            if (wanted := getattr(row, whose)) in ("", "·"):
                continue
            path = address(row, world.own, {name: ids[name] for name in named(row) if name in ids})
            got = ask(asking, world, caller, row.method, path, **body(row, world, ids.get("task_id")))
            if got.status_code != int(wanted):
                wrong.append(f"{row.method} {path} ({whose}): {got.status_code}, not {wanted}: {got.text[:150]}")
    assert not wrong, "\n".join(wrong)


def body(row: Row, world: World, task: int | None) -> dict[str, Any]:
    """A body that the verb accepts where the thing is one's own."""
    given = {
        "skip": {"data": {"reason": "I know these people"}},
        "flags": {"data": {"kind": "harmful"}},
        "draft": {"json": {"content": world.contents.get(task, {}), "version": 1}},
        "annotation": {"json": {"content": world.contents.get(task, {}), "key": "once", "active_seconds": 9}},
        "revisions": {"json": {"content": world.correction, "revision": 1, "key": "twice"}},
        "acceptance": {"data": {"revision": 1}},
        "correction": {"data": {"revision": 1, "content": json.dumps(world.correction)}},
        "return": {"data": {"revision": 1, "comment": "Look again"}},
        "rejection": {"data": {"revision": 1, "comment": "These are guesses"}},
        "approvals": {"data": {"answer": "approve"}},
        "promotions": {"data": {"standing": "candidate", "reason": "It is steady"}},
        "withdrawal": {"data": {"reason": "It was a test"}},
        "deletion": {"data": {"reason": "Nobody wants it"}},
        "erasure": {"data": {"confirmed": "bea.streets@example.org"}},
        "pause": {"data": {"reason": "Hurried"}},
        "vote": {"data": {"choice": "left"}},
        "turns": {"data": {"question": "What is it?", "left": world.own["policy_id"], "right": "base"}},
        "{secret}": {"data": {"password": "a very good password"}},
        "{gold_id}": {"data": {"order": "A B C D"}},
    }
    if row.method == "POST" and row.path.endswith("/samples/{sample_id}/gold"):
        return {"data": {"use": "hidden", "order": "A B C D", "reason": "It is so"}}
    if row.method == "POST" and row.path.endswith("/adjudication"):
        return {"data": {"content": json.dumps(world.correction), "seen": 1}}
    return given.get(row.path.rsplit("/", 1)[-1], {}) if row.method not in SAFE else {}
