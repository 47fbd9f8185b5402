"""The annotate and review pages, and the calls behind them: who may, what is shown, what is kept."""

from __future__ import annotations

import html

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations import actions, queries
from app.annotations.tables import Annotation, Draft
from app.tasks.tables import Flag, Lease, Skip, Task
from tests import cast
from tests.app.annotations import desk

JSON = {"accept": "application/json"}
API = "/api/v1/projects/streets"


def test_the_annotate_page_holds_prompt_and_responses_but_no_models_name(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    bob = desk.annotator(session, project)
    cast.sign_in(client, session, bob.user)
    answer = client.get("/projects/streets/annotate")
    assert answer.url.path.startswith("/projects/streets/annotate/")
    assert "Question 0" in answer.text
    assert html.unescape(answer.text).count("Reply number") >= 4
    assert "secret-model" not in answer.text
    assert "secret-model" not in client.post(f"{API}/leases").text


def test_the_order_on_the_page_is_the_one_drawn_and_stays(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    bob = desk.annotator(session, project)
    held = desk.lease(session, bob)
    cast.sign_in(client, session, bob.user)
    for _ in range(2):
        page = client.get(f"/projects/streets/annotate/{held.task_id}").text
        places = [page.index(f'data-text="{response}"') for response in held.order]
        assert places == sorted(places)


def test_markup_in_a_response_is_shown_as_text(client: TestClient, session: Session) -> None:
    project = desk.project(session, samples=1)
    sample = session.get_one(desk.Sample, session.scalars(sa.select(Task.sample_id)).one())
    sample.responses[0].text = "<script>alert(1)</script><img src=x onerror=alert(1)> </script>"
    bob = desk.annotator(session, project)
    cast.sign_in(client, session, bob.user)
    page = client.get("/projects/streets/annotate").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_draft_a_submission_and_the_same_submission_again(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    bob = desk.annotator(session, project)
    held = desk.lease(session, bob)
    content = desk.content(held.task.sample)
    cast.sign_in(client, session, bob.user)
    address = f"{API}/tasks/{held.task_id}"
    draft = {"content": {"rank_reason": "So far"}, "version": 0, "active_seconds": 3.5}
    assert client.put(f"{address}/draft", json=draft).json() == {"version": 1, "held": True}
    stale = client.put(f"{address}/draft", json=draft)
    assert (stale.status_code, stale.json()["error"], stale.json()["version"]) == (409, "StaleDraft", 1)
    assert client.get(f"{address}/draft").json()["content"]["rank_reason"] == "So far"
    body = {"content": content, "key": "k1", "active_seconds": 60}
    first, again = client.post(f"{address}/annotation", json=body), client.post(f"{address}/annotation", json=body)
    assert (first.status_code, again.json()) == (201, first.json())
    assert session.scalar(sa.select(sa.func.count()).select_from(Annotation)) == 1


def test_a_refused_submission_names_its_faults_and_keeps_the_work(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    bob = desk.annotator(session, project)
    held = desk.lease(session, bob)
    content = desk.content(held.task.sample, ranking=[], rank_reason="Kept")
    cast.sign_in(client, session, bob.user)
    answer = client.post(f"{API}/tasks/{held.task_id}/annotation", json={"content": content, "key": "k1"})
    assert (answer.status_code, answer.json()["faults"][0]["where"]) == (422, "ranking")
    assert session.scalars(sa.select(Draft)).one().content["rank_reason"] == "Kept"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b'{"content": []}',
        b'{"content": {}, "active_seconds": "NaN"}',
        b'{"content": {}, "active_seconds": NaN}',
        b'{"content": {"rank_reason": "\\u0000"}}',
        b'{"content": {"rank_reason": "' + b"x" * 1_000_000 + b'"}}',
        b'{"content": {"scores": {"1": {"ethics": 9}}}}',
    ],
)
def test_bad_drafts_are_refused_by_name(client: TestClient, session: Session, body: bytes) -> None:
    bob = desk.annotator(session, desk.project(session))
    held = desk.lease(session, bob)
    cast.sign_in(client, session, bob.user)
    answer = client.put(f"{API}/tasks/{held.task_id}/draft", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"] in ("Unreadable", "BadAnnotation")
    assert session.scalars(sa.select(Draft)).all() == []


def test_skipping_and_flagging_from_the_page(client: TestClient, session: Session) -> None:
    bob = desk.annotator(session, desk.project(session))
    held = desk.lease(session, bob)
    cast.sign_in(client, session, bob.user)
    address = f"/projects/streets/tasks/{held.task_id}"
    client.post(f"{address}/flags", data={"kind": "confusing", "note": "Why?"})
    assert client.post(f"{address}/skip", data={"reason": ""}, headers=JSON).json()["error"] == "ReasonMissing"
    after = client.post(f"{address}/skip", data={"reason": "I know the photographer"})
    assert after.url.path != f"/projects/streets/annotate/{held.task_id}"
    assert (session.scalars(sa.select(Flag.kind)).all(), session.scalars(sa.select(Skip.reason)).all()) == (
        ["confusing"],
        ["I know the photographer"],
    )


def test_when_nothing_is_left_the_page_says_so(client: TestClient, session: Session) -> None:
    bob = desk.annotator(session, desk.project(session, samples=0))
    cast.sign_in(client, session, bob.user)
    assert "Nothing left for you" in client.get("/projects/streets/annotate").text


def test_a_task_that_somebody_else_holds_is_refused_with_a_sentence(client: TestClient, session: Session) -> None:
    project = desk.project(session, samples=1)
    held = desk.lease(session, desk.annotator(session, project))
    dora = desk.annotator(session, project, "dora")
    cast.sign_in(client, session, dora.user)
    answer = client.get(f"/projects/streets/annotate/{held.task_id}")
    assert answer.status_code == 409
    assert "do not hold this task" in answer.text


@pytest.mark.parametrize(
    ("role", "address", "status"),
    [
        ("annotator", "reviews", 403),
        ("annotator", "annotate", 200),
        ("annotator", "annotations/mine", 200),
        ("reviewer", "reviews", 200),
        ("reviewer", "annotate", 403),
        ("researcher", "reviews", 200),
        ("researcher", "samples", 200),
        ("", "reviews", 404),
        ("", "annotate", 404),
        ("", "samples", 404),
    ],
)
def test_each_role_opens_its_own_pages(
    client: TestClient, session: Session, role: str, address: str, status: int
) -> None:
    project, eve = desk.project(session), cast.user(session, "eve")
    cast.seat(session, eve, project, *[role] if role else [])
    cast.sign_in(client, session, eve)
    assert client.get(f"/projects/streets/{address}").status_code == status


def test_rows_of_another_project_are_not_there(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    annotation = desk.annotate(session, desk.annotator(session, project))
    dora = cast.user(session, "dora")
    cast.seat(session, dora, cast.project(session, dora, "Forests"), "annotator", "reviewer")
    cast.sign_in(client, session, dora)
    at = "/projects/forests"
    for address in (f"reviews/{annotation.id}", f"samples/{annotation.sample_id}", f"annotate/{annotation.task_id}"):
        assert client.get(f"{at}/{address}").status_code == 404
    form = {"revision": 1, "comment": "x"}
    assert client.post(f"{at}/reviews/{annotation.id}/rejection", data=form).status_code == 404
    assert client.put(f"/api/v1{at}/tasks/{annotation.task_id}/draft", json={"content": {}}).status_code == 404


def test_a_reviewer_reads_accepts_and_goes_on_to_the_next(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    first, second = desk.annotate(session, bob), desk.annotate(session, bob)
    cast.sign_in(client, session, rosa.user)
    assert "Question 0" in client.get("/projects/streets/reviews?order=disagreement").text
    page = client.get(f"/projects/streets/reviews/{first.id}").text
    assert "The first is complete." in page
    key = f"{first.sample.responses[0].id}.ethics"
    after = client.post(f"/projects/streets/reviews/{first.id}/acceptance", data={"revision": 1, "verified": [key]})
    assert after.url.path == f"/projects/streets/reviews/{second.id}"
    session.expire_all()
    assert queries.annotation(session, rosa, first.id).state == "accepted"
    after = client.post(f"/projects/streets/reviews/{second.id}/rejection", data={"revision": 1, "comment": "No"})
    assert after.url.path == "/projects/streets/reviews"
    assert "Nothing waits for a verdict" in after.text


def test_a_verdict_that_is_not_json_or_lacks_its_comment_is_refused(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    annotation, rosa = desk.annotate(session, desk.annotator(session, project)), desk.reviewer(session, project)
    cast.sign_in(client, session, rosa.user)
    at = f"/projects/streets/reviews/{annotation.id}"
    answer = client.post(f"{at}/correction", data={"revision": 1, "content": "{"}, headers=JSON)
    assert answer.json()["error"] == "BadReview"
    assert client.post(f"{at}/return", data={"revision": 1}, headers=JSON).json()["error"] == "CommentMissing"
    refused = client.post(f"{at}/return", data={"revision": 1})
    assert (refused.status_code, "Say what the annotator should change" in refused.text) == (422, True)


def test_an_annotator_sees_what_came_back_with_the_reviewers_words(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    annotation = desk.annotate(session, bob)
    actions.return_(session, rosa, annotation.id, "Look at B again")
    cast.sign_in(client, session, bob.user)
    assert "Look at B again" in client.get("/projects/streets/annotations/mine").text
    page = client.get("/projects/streets/annotate")
    assert page.url.path.endswith(f"/{annotation.task_id}")
    assert "Look at B again" in page.text
    assert "The first is complete." in page.text
    assert session.scalars(sa.select(Lease.ended_at).order_by(Lease.id.desc()).limit(1)).one() is None
