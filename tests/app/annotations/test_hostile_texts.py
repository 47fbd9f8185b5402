"""What people may write in an annotation: any script, any direction, much of it; and what they may not, by name."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations.tables import Annotation, Draft
from tests import cast
from tests.app.annotations import desk

LONG = "ü" * 10_000
KEPT = {
    "10,000 characters": LONG,
    "Hebrew and English": "התשובה הראשונה is right, והשנייה לא",
    "Arabic with marks of direction": "\u202bالإجابة\u202c \u2067(A)\u2069 \u200fصحيحة",
    "an override of direction": "abc\u202efdp.exe\u202c",
    "markup": "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "many marks on one letter": "e" + "\u0301" * 300,
    "emoji of several": "👩🏽\u200d🚀 🏳️\u200d🌈",
}
REFUSED: dict[str, bytes] = {
    "10,001 characters": LONG.encode() + b"x",
    "a NUL": rb"a\u0000b",
    "half a character": rb"a\ud800b",
}


@pytest.fixture
def bob(client: TestClient, session: Session) -> tuple[TestClient, str, dict[str, Any]]:
    """Bob's browser, the address of the task that he holds, and an annotation of it."""
    held = desk.lease(session, desk.annotator(session, desk.project(session)))
    content = desk.content(held.task.sample)
    task = held.task_id
    cast.sign_in(client, session, held.user)
    client.headers["accept"] = "application/json"
    return client, f"/api/v1/projects/streets/tasks/{task}", content


@pytest.mark.parametrize("name", KEPT)
def test_a_text_is_kept_letter_by_letter(
    bob: tuple[TestClient, str, dict[str, Any]], session: Session, name: str
) -> None:
    browser, task, content = bob
    content["rank_reason"] = KEPT[name]
    answer = browser.post(f"{task}/annotation", json={"content": content, "key": "k", "active_seconds": 9})
    assert answer.status_code == 201, answer.text
    assert session.scalars(sa.select(Annotation)).one().latest.content["rank_reason"] == KEPT[name]
    page = browser.get("/projects/streets/annotations/mine", headers={"accept": "text/html"}).text
    assert "<script>alert" not in page and "<img src=x" not in page


@pytest.mark.parametrize("name", REFUSED)
def test_a_text_that_cannot_be_kept_is_named_with_its_place_and_nothing_changes(
    bob: tuple[TestClient, str, dict[str, Any]], session: Session, name: str
) -> None:
    browser, task, _content = bob
    text = REFUSED[name]
    said = browser.put(f"{task}/draft", json={"content": {"rank_reason": "before"}, "version": 0}).status_code
    assert said == 200
    for address, rest in (("annotation", b'"key": "k"'), ("draft", b'"version": 1')):
        body = b'{"content": {"rank_reason": "' + text + b'"}, ' + rest + b', "active_seconds": 9}'
        method = "POST" if address == "annotation" else "PUT"
        headers = {"content-type": "application/json"}
        answer = browser.request(method, f"{task}/{address}", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["error"] and answer.json()["message"] and answer.json()["where"], answer.text
    assert session.scalar(sa.select(sa.func.count(Annotation.id))) == 0
    assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "before"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-1", '"NaN"', "[]"])
def test_a_number_that_is_none_is_named_with_its_place(
    bob: tuple[TestClient, str, dict[str, Any]], session: Session, number: str
) -> None:
    browser, task, _content = bob
    body = f'{{"content": {{}}, "version": 0, "active_seconds": {number}}}'
    answer = browser.put(f"{task}/draft", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"] and answer.json()["where"], answer.text
    assert session.scalar(sa.select(sa.func.count(Draft.id))) == 0
