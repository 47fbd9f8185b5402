"""Annotating a set again: what is in it, what becomes of it, and how it is undone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations import actions, choosing, queries, reannotating
from app.annotations.choosing import Chosen
from app.annotations.refusals import Begun, CommentMissing, SetChanged
from app.annotations.tables import Annotation, Waiting
from app.projects.guard import Seat
from app.tasks import replacing
from app.tasks.tables import Task
from tests import cast
from tests.app.annotations import desk


def four_by_two(session: Session) -> tuple[Seat, dict[str, Seat], list[Annotation]]:
    """Bob judged the first two samples, Dora the others; the second and the third are accepted."""
    project = desk.project(session, samples=4)
    people = {name: desk.annotator(session, project, name) for name in ("bob", "dora")}
    rows = [desk.annotate(session, people[name]) for name in ("bob", "bob", "dora", "dora")]
    rosa = desk.reviewer(session, project)
    for row in rows[1:3]:
        actions.accept(session, rosa, row.id)
    admin = project.members[0].user
    return cast.seat(session, admin, project), people, rows


def states(session: Session, seat: Seat, rows: list[Annotation]) -> list[str]:
    session.expire_all()
    return [queries.annotation(session, seat, row.id).state for row in rows]


def number(session: Session, seat: Seat, **filters: Any) -> int:
    return choosing.outlook(session, seat, Chosen(**filters)).annotations


def test_each_filter_narrows_the_set(session: Session) -> None:
    admin, people, _ = four_by_two(session)
    today = dt.datetime.now(dt.UTC).date()
    assert number(session, admin, annotator=people["bob"].user.id) == 2
    assert (number(session, admin, state="accepted"), number(session, admin, state="submitted")) == (2, 2)
    assert (number(session, admin, domain="image"), number(session, admin, domain="video")) == (4, 0)
    assert number(session, admin, question_type="short", annotator=people["dora"].user.id, state="accepted") == 1
    assert (number(session, admin, since=today), number(session, admin, until=today - dt.timedelta(days=1))) == (4, 0)
    assert number(session, admin, agreement_to=1.0) == 0  # nobody is compared with anybody
    assert number(session, admin, state="by_rule") == 0


def test_the_set_is_put_aside_with_its_verdicts_kept_and_goes_to_others(session: Session) -> None:
    admin, people, rows = four_by_two(session)
    bob = people["bob"]
    reannotating.order(session, admin, Chosen(annotator=bob.user.id), "The guidelines changed", 2)
    assert states(session, admin, rows) == ["set aside", "set aside", "accepted", "submitted"]
    first, second = (queries.annotation(session, admin, row.id) for row in rows[:2])
    assert [review.verdict for each in second.revisions if (review := each.review)] == ["accept", "reannotate"]
    assert second.revisions[0].content == second.revisions[1].content
    assert first.latest.review is not None and first.latest.review.comment == "The guidelines changed"
    assert session.scalars(sa.select(Waiting.annotation_id)).all() == [rows[3].id]
    assert desk.lease(session, people["dora"]).sample_id in (first.sample_id, second.sample_id)
    assert number(session, admin, annotator=bob.user.id) == 0


def test_an_order_is_undone_to_the_last_row_while_nobody_has_begun(session: Session) -> None:
    admin, _, rows = four_by_two(session)
    before = session.scalars(sa.select(Task.id)).all()
    order = reannotating.order(session, admin, Chosen(domain="image"), "Again", 4)
    reannotating.undo(session, admin, order.id)
    assert states(session, admin, rows) == ["submitted", "accepted", "accepted", "submitted"]
    assert [len(queries.annotation(session, admin, row.id).revisions) for row in rows] == [1] * 4
    assert session.scalars(sa.select(Task.id)).all() == before
    assert session.scalars(sa.select(Waiting.annotation_id).order_by("annotation_id")).all() == [rows[0].id, rows[3].id]
    with pytest.raises(SetChanged):
        reannotating.undo(session, admin, order.id)
    assert reannotating.order(session, admin, Chosen(domain="image"), "Once more", 4).id != order.id


def test_once_somebody_has_begun_it_is_not_undone(session: Session) -> None:
    admin, people, _ = four_by_two(session)
    order = reannotating.order(session, admin, Chosen(annotator=people["bob"].user.id), "Again", 2)
    desk.lease(session, people["dora"])
    with pytest.raises(Begun):
        reannotating.undo(session, admin, order.id)
    assert [(each.many, each.begun, each.done) for each in reannotating.orders(session, admin)] == [(2, 1, 0)]


def test_a_set_that_has_changed_since_it_was_counted_is_not_touched(session: Session) -> None:
    admin, _, rows = four_by_two(session)
    with pytest.raises(SetChanged):
        reannotating.order(session, admin, Chosen(domain="image"), "Again", 3)
    with pytest.raises(CommentMissing):
        reannotating.order(session, admin, Chosen(domain="image"), " ", 4)
    assert states(session, admin, rows)[1] == "accepted"


def test_samples_that_everybody_has_judged_are_named_beforehand(session: Session) -> None:
    project = desk.project(session, samples=1, overlap=2)
    for name in ("bob", "dora"):
        desk.annotate(session, desk.annotator(session, project, name))
    admin = cast.seat(session, project.members[0].user, project)
    assert choosing.outlook(session, admin, Chosen(domain="image")) == (2, 1, 2, 1, 0)


def test_an_admin_counts_orders_and_undoes_from_the_page(client: TestClient, session: Session) -> None:
    admin, people, rows = four_by_two(session)
    cast.sign_in(client, session, admin.user)
    at = "/projects/streets/reannotations"
    query = f"?annotator={people['bob'].user.id}"
    assert "Have 2 annotated again" in client.get(at + query).text
    after = client.post(at + query, data={"expected": 2, "reason": "Again"})
    assert "Ordered." in after.text
    assert states(session, admin, rows)[:2] == ["set aside"] * 2
    order = reannotating.orders(session, admin)[0].row.id
    assert "undone by Alice" in client.post(f"{at}/{order}/undoing").text
    for bad in ("since=tomorrow", "agreement_from=2", "state=nonsense"):
        assert client.get(f"{at}?{bad}").status_code == 422
    cast.sign_in(client, session, people["bob"].user)
    assert client.get(at).status_code == 403


def test_a_set_may_be_larger_than_a_statement_takes_parameters(session: Session) -> None:
    assert replacing.begun(session, range(70_000)) == 0
