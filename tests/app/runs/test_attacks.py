"""The whole room of runs, walked by who may not enter and attacked by who may: every answer is a named refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.main import app
from tests.house.test_access import Row, address, rows
from tests.house.world import World, ask, build, nothing_stays

ROOM = [row for row in rows() if row.path.startswith("/projects/{slug}/runs")]
HUGE, WIDE = "9" * 30, "\uff11\u0662"
"""More than the database counts; digits of other scripts."""
NASTY = (HUGE, "\U0001f600\u202etxt\0", "~nobody-here/x", "/" + "x" * 300)


@pytest.fixture
def world(session: Session, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("PUSH_TO", "/srv/models")
    return build(session)


@pytest.fixture
def asking(world: World) -> Iterator[TestClient]:
    with nothing_stays() as client:
        yield client


def asked(
    client: TestClient,
    world: World,
    caller: str,
    method: str,
    path: str,
    *names: str,
    may_pass: bool = False,
    **sent: Any,
) -> str:
    """What is wrong with an answer that should be a refusal with a name and a sentence: one of these, if any are given.

    names: of a refusal, or of one and its place ("BadConfig@epochs").
    """
    try:
        got = ask(client, world, caller, method, path, **sent)
    except Exception as broken:
        return f"breaks by {type(broken).__name__}: {broken}"[:200]
    if may_pass and got.status_code < 400:
        return ""
    if not 400 <= got.status_code < 500:
        return f"{got.status_code}: {got.text[:200]}"
    said = got.json()
    if (
        not {"error", "message", "where", "advice"} <= set(said)
        or not said["message"]
        or not said["error"][:1].isupper()
    ):
        return f"{got.status_code} without a name: {said}"
    known = {said["error"], f"{said['error']}@{said['where']}"}
    return "" if not names or known & set(names) else f"{said['error']} ({said['where']}): {said['message']}"


def test_who_may_not_enter_is_told_so_by_name_and_what_is_elsewhere_is_not_there(
    asking: TestClient, world: World
) -> None:
    wrong, read = [], 0
    for row in ROOM:
        for caller, name in (("nobody", "NotSignedIn"), ("stranger", "NotFound"), ("annotator", "MissingRole")):
            fault = asked(asking, world, caller, row.method, address(row, world.own), name)
            wrong += [f"{row.method} {row.path}: {caller} {fault}"] if fault else []
        if row.guard == "researcher":
            fault = asked(asking, world, "reviewer", row.method, address(row, world.own), "MissingRole")
            wrong += [f"{row.method} {row.path}: reviewer {fault}"] if fault else []
        elif row.method == "GET":
            read += ask(asking, world, "reviewer", row.method, address(row, world.own)).status_code == 200
    wrong += elsewhere(asking, world)
    assert not wrong, "\n".join(wrong)
    assert read > 12, "a reviewer reads what goes on there"


def elsewhere(asking: TestClient, world: World) -> list[str]:
    """What is wrong with how things of another project, or of none, answer."""
    wrong = []
    for row in ROOM:
        for number in (world.elsewhere, dict.fromkeys(world.elsewhere, 2**62), dict.fromkeys(world.elsewhere, HUGE)):
            strange = {name: value for name, value in number.items() if name != "slug" and "{" + name in row.path}
            if not strange:
                continue
            body = {
                "data": {"reason": "It is mine", "standing": "current", "answer": "approve", "url": "https://a.example"}
            }
            path = address(row, world.own, strange)
            sent = body if row.method == "POST" else {}
            fault = asked(asking, world, "researcher", row.method, path, "NotFound", "Unreadable", **sent)
            wrong += [f"{row.method} {path}: {fault}"] if fault else []
    for path in (
        "%2e%2e/%2e%2e/etc/passwd",
        "checkpoints/..%2f..%2fetc%2fpasswd/download",
        "1%00/log",
        "-1",
        "1.0",
        "٣",
    ):
        fault = asked(asking, world, "researcher", "GET", f"/projects/streets/runs/{path}", "NotFound", "Unreadable")
        wrong += [f"{path}: {fault}"] if fault else []
    return wrong


def form(world: World, recipe: str = "reward", **changes: str) -> dict[str, str]:
    given = {"recipe": recipe, "name": "a run", "input-dataset": str(world.own["dataset_id"])}
    return {**given, **({"critiques": "human", "freeze_vision": "on"} if recipe == "reward" else {}), **changes}


NUMBERS = ("-1", HUGE, "1e999", "NaN", "x", WIDE + ".", "0x10")
BASES = (
    "../../etc/passwd",
    "/etc",
    "/" + "x" * 300,
    "~nobody-here/model",
    "a/b/../../../etc",
    "a\nb",
    "x" * 2000,
    "x" * 300 + "/",
)


def test_a_form_of_a_run_takes_no_bad_input(asking: TestClient, world: World) -> None:
    own, else_ = world.own, world.elsewhere
    attacks: list[tuple[dict[str, str], str, str]] = [
        *((form(world, learning_rate=each), "BadConfig", "learning_rate") for each in NUMBERS),
        *((form(world, epochs=each), "BadConfig", "epochs") for each in ("-1", HUGE, "1.5", "二", "0")),
        *((form(world, max_hours=each), "BadLimit", "max_hours") for each in ("-1", "0", HUGE, "NaN", "1e999", "x")),
        *((form(world, base=each), "BaseModelNotFound BadConfig", "base") for each in BASES),
        *(({"recipe": "cluster", "base": each}, "BaseModelNotFound BadConfig NoEncoder", "base") for each in BASES),
        *((form(world, **{"input-dataset": each}), "WrongInput", "dataset") for each in ("-1", "x", "1e3", HUGE, "²")),
        (form(world, **{"input-dataset": str(else_["dataset_id"])}), "NotFound", ""),
        (form(world, **{"input-dataset": str(10**16)}), "NotFound", ""),
        (form(world, "score", **{"input-reward": str(else_["run_id"])}), "NotFound", ""),
        (form(world, "score", **{"input-reward": str(own["run_id"])}), "WrongInput", "reward"),  # it has failed
        (form(world, critiques="expanded", **{"input-critiques": str(own["run_id"])}), "WrongInput", "critiques"),
        (form(world, "score"), "InputMissing", "reward"),
        (form(world, **{"input-../x": "1"}), "WrongInput", "../x"),
        (form(world, **{"input-": "1"}), "WrongInput", ""),
        (form(world, no_such_field="1"), "BadConfig", "no_such_field"),
        (form(world, __class__="1"), "BadConfig", "__class__"),
        (form(world, critiques="' OR 1=1 --"), "BadConfig", "critiques"),
        *((form(world, each), "UnknownRecipe", "recipe") for each in ("", "../reward", "REWARD", "\u202e", "x" * 5000)),
        *((form(world, name=each), "BadName", "name") for each in ("x" * 121, "a\0b", "\u4e00" * 121)),
    ]  # fmt: skip
    wrong = []
    for data, names, where in attacks:
        expected = [f"{name}@{where}" if where else name for name in names.split()]
        fault = asked(asking, world, "researcher", "POST", "/projects/streets/runs", *expected, data=data)
        if fault:
            wrong.append(f"{ {k: v[:40] for k, v in data.items() if k not in ('name', 'freeze_vision')} }: {fault}")
    assert not wrong, "\n".join(wrong)

    # All that is wrong is named at once, and the form is kept.
    data = form(world, epochs="-1", learning_rate="x", name="n" * 121, base="<b>/../..", **{"input-dataset": "-1"})
    got = ask(asking, world, "researcher", "POST", "/projects/streets/runs", data=data)
    assert {each["where"] for each in got.json()["faults"]} >= {"epochs", "learning_rate"}
    headers = {"accept": "text/html", **world.callers["researcher"]}
    page = asking.post("/projects/streets/runs", data=data, headers=headers)
    assert page.status_code == 422
    assert 'id="epochs-wrong"' in page.text and 'value="&lt;b&gt;/../.."' in page.text and "<b>/.." not in page.text


VERBS: list[tuple[str, str, dict[str, Any], str]] = [
    ("GET", "", {"before": HUGE}, "Unreadable"),
    ("GET", "", {"before": "-1"}, "Unreadable"),
    ("GET", "/new", {"recipe": "../reward"}, "UnknownRecipe"),
    ("GET", "/new", {"recipe": "reward", "preset": "\u202e"}, "UnknownRecipe"),
    ("GET", "/new", {"like": "{elsewhere.run_id}"}, "NotFound"),
    ("GET", "/new", {"like": HUGE}, "Unreadable"),
    ("GET", "/estimate", {"recipe": "alchemy"}, "UnknownRecipe"),
    ("GET", "/comparison", {"ids": "1,{elsewhere.run_id}"}, "NotFound"),
    ("GET", "/comparison", {"ids": "1,-2"}, "NotANumber"),
    ("GET", "/comparison", {"ids": WIDE}, "NotANumber"),
    ("GET", "/comparison", {"ids": HUGE}, "NotANumber"),
    ("GET", "/comparison", {"ids": ",".join(map(str, range(1, 40)))}, "TooManyRuns"),
    ("GET", "/comparison", {"begin": "-1"}, "Unreadable"),
    ("GET", "/comparison", {"metric": "x" * 121}, "Unreadable"),
    ("GET", "/{run_id}/events", {"after": HUGE}, "Unreadable"),
    ("GET", "/{run_id}/log/search", {"words": "x" * 201}, "Unreadable"),
    ("GET", "/{run_id}/log/search", {"words": "x", "after": "-1"}, "Unreadable"),
    ("POST", "/{run_id}/cancellation", {"reason": "x" * 501}, "Unreadable"),
    ("POST", "/{run_id}/cancellation", {"reason": "again"}, "RunEnded"),
    ("POST", "/{run_id}/priority", {"priority": HUGE}, "Unreadable"),
    ("POST", "/{run_id}/priority", {"priority": "-9"}, "Unreadable"),
    ("POST", "/{run_id}/offer", {}, "NothingToOffer"),
    ("POST", "/{run_id}/offer-withdrawal", {}, "NotOffered"),
    ("POST", "/{run_id}/approvals", {"answer": "perhaps"}, "Unreadable"),
    ("POST", "/{run_id}/approvals", {"answer": "approve", "critique": HUGE}, "Unreadable"),
    ("POST", "/{run_id}/approvals", {"answer": "approve", "critique": "1234567"}, "NotFound"),
    ("GET", "/checkpoints", {"deleted": "perhaps"}, "Unreadable"),
    ("POST", "/checkpoints/{checkpoint_id}/promotions", {"standing": "emperor", "reason": "x"}, "Unreadable"),
    ("POST", "/checkpoints/{checkpoint_id}/promotions", {"standing": "current", "reason": " \u00a0 "}, "ReasonMissing"),
    ("POST", "/checkpoints/{checkpoint_id}/promotions", {"standing": "current", "reason": "x" * 2001}, "Unreadable"),
    ("POST", "/checkpoints/{checkpoint_id}/withdrawal", {"reason": "x"}, "NotPromoted"),
    ("POST", "/checkpoints/{checkpoint_id}/deletion", {"reason": "\t"}, "ReasonMissing"),
    ("POST", "/checkpoints/{checkpoint_id}/pushes", {"root": "/etc", "folder": "x"}, "BadTarget"),
    ("POST", "/checkpoints/{checkpoint_id}/pushes", {"root": "/srv/models/..", "folder": "x"}, "BadTarget"),
    *(
        ("POST", "/checkpoints/{checkpoint_id}/pushes", {"root": "/srv/models", "folder": folder}, "BadTarget")
        for folder in ("", "..", "../x", "a/../../b", "a//b", "/abs", "~root", "é", "a\\b", "a\nb", "x" * 300, "a/" * 6)
    ),
    *(
        ("POST", "/checkpoints/retention", {"keep_last": one, "keep_best": "1", "min_days": "1"}, "BadRule Unreadable")
        for one in ("-1", "10001", HUGE, "NaN", "1.5", WIDE + "x")
    ),
    ("POST", "/checkpoints/retention", {"keep_last": 0, "keep_best": 0, "min_days": 0, "applies": 1}, "BadRule"),
    ("POST", "/chains", {"step-reward": "on"}, "SeveralFaults TooFewSteps InputMissing"),
    ("POST", "/chains", {"step-reward": 1, "step-score": 1, "input-dataset": "{elsewhere.dataset_id}"}, "NotFound"),
    ("POST", "/chains", {"step-reward": "on", "step-score": "on", "input-dataset": HUGE}, "SeveralFaults WrongInput"),
    ("GET", "/chains/new", {"preset": "../x"}, "UnknownRecipe"),
    ("POST", "/sweeps", {"recipe": "reward"}, "SeveralFaults NothingVaried InputMissing"),
    ("POST", "/sweeps", {"recipe": "../x"}, "UnknownRecipe"),
    *(
        ("POST", "/sweeps", {"recipe": "reward", "vary-1": field, "values-1": values}, "SeveralFaults BadConfig")
        for field, values in (("__class__", "1,2"), ("epochs", f"1,{HUGE}"))
    ),
    ("POST", "/groups/{group_id}/cancellation", {"reason": "x" * 501}, "Unreadable"),
    *(
        ("POST", "/webhooks", {"url": url}, "BadWebhook BadAddress PrivateAddress Unreadable")
        for url in ("", "file:///etc/passwd", "http://127.0.0.1/x", "https://[::1]/", "javascript:1", "x" * 10_001)
    ),
]  # fmt: skip


def test_each_verb_refuses_bad_input_by_name_and_none_breaks(asking: TestClient, world: World) -> None:
    wrong = everywhere(asking, world)
    for method, path, fields, names in VERBS:
        known = {"{own.run_id}": world.own["run_id"]}
        known |= {f"{{elsewhere.{name}}}": world.elsewhere[name] for name in ("run_id", "dataset_id")}
        given = json.loads(json.dumps(fields))
        for hole, value in known.items():
            given = {name: str(text).replace(hole, str(value)) for name, text in given.items()}
        there = f"/projects/streets/runs{path}".format(**world.own)
        sent = {"params": given} if method == "GET" else {"data": given}
        fault = asked(asking, world, "researcher", method, there, *names.split(), **sent)
        wrong += [f"{method} {path} {str(given)[:90]}: {fault}"] if fault else []
    assert not wrong, "\n".join(wrong)


def fields_of(row: Row) -> list[str]:
    """Every field of a route's query and form, as the application describes them."""
    described = app.openapi()
    about = described["paths"][row.path.replace(":int", "")][row.method.lower()]
    names = [each["name"] for each in about.get("parameters", []) if each["in"] == "query"]
    for content in about.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        schema = described["components"]["schemas"].get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
        names += schema.get("properties", {})
    return names


FREE = [
    "recipe",
    "name",
    "base",
    "epochs",
    "seed",
    "input-dataset",
    "input-reward",
    "max_hours",
    "vary-1",
    "values-1",
    "step-reward",
]
"""What forms without a fixed shape are sent."""


def everywhere(asking: TestClient, world: World) -> list[str]:
    """Which routes break by what is written into every one of their fields."""
    right, wrong = {"recipe": "reward", "answer": "approve", "standing": "current"}, []
    for row in ROOM:
        for nasty in NASTY if not row.path.endswith("/events") else ():
            given = {name: right.get(name, nasty) for name in fields_of(row) or FREE}
            sent = {"params": given} if row.method == "GET" else {"data": given}
            fault = asked(asking, world, "researcher", row.method, address(row, world.own), may_pass=True, **sent)
            wrong += [f"{row.method} {row.path} {nasty[:20]!r}: {fault}"] if fault else []
    return wrong
