"""The quality page: agreement over the annotations that exist, and each annotator beside the project."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations import actions as annotations
from app.projects.guard import Seat
from app.projects.tables import Project
from app.quality import agreement, people, queries
from app.quality.agreement import Figure
from tests import cast
from tests.app.annotations import desk

AT = "/projects/streets/quality"


@pytest.fixture
def project(session: Session) -> Project:
    """Two samples, each for two people."""
    return desk.project(session, samples=2, overlap=2)


def admin(session: Session, project: Project) -> Seat:
    return cast.seat(session, cast.user(session, "ada"), project, "admin")


def scored(sample: desk.Sample, *marks: int) -> dict[str, dict[str, int]]:
    return {
        str(response.id): {"helpfulness": mark, "faithfulness": mark, "ethics": 5}
        for response, mark in zip(sample.responses, marks, strict=True)
    }


def annotate(session: Session, seat: Seat, *marks: int, **changes: object) -> desk.Annotation:
    held = desk.lease(session, seat)
    content = desk.content(held.task.sample, scores=scored(held.task.sample, *marks), **changes)
    return annotations.submit(session, seat, held.task_id, content, f"key {held.id}", 60.0)


def test_nothing_judged_says_what_to_do(client: TestClient, session: Session, project: Project) -> None:
    cast.sign_in(client, session, admin(session, project).user)
    assert "Nobody has judged anything yet" in client.get(AT).text


def test_the_page_shows_alpha_tau_and_what_stands_behind_them(
    client: TestClient, session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    for seat in (bob, cho):
        annotate(session, seat, 1, 2, 4, 5)
        annotate(session, seat, 5, 4, 2, 1)
    cast.sign_in(client, session, admin(session, project).user)
    page = html.unescape(client.get(AT).text)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Helpfulness α 1.00" in text
    assert "Ethical considerations α – Undefined: all answers are equal" in text
    assert "Ranks τ_b 1.00" in text
    assert "8 responses of 2 samples, 2 people" in text
    assert f"/projects/streets/reviews?annotator={bob.user.id}&state=" in page
    assert "4 of 4" in text


def test_a_reviewers_correction_does_not_feign_agreement(session: Session, project: Project) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    rosa = desk.reviewer(session, project)
    annotate(session, bob, 1, 2, 4, 5)
    apart = annotate(session, cho, 5, 4, 2, 1)
    before = agreement.alpha_of(queries.judgements(session, rosa), "helpfulness")
    corrected = desk.content(apart.sample, scores=scored(apart.sample, 1, 2, 4, 5))
    annotations.correct(session, rosa, apart.id, corrected)
    assert agreement.alpha_of(queries.judgements(session, rosa), "helpfulness") == before
    assert before.value is not None
    assert before.value < 0


def test_a_rejected_annotation_and_one_that_could_not_judge_count_for_nothing(
    session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    rosa = desk.reviewer(session, project)
    kept = annotate(session, bob, 1, 2, 4, 5)
    annotations.reject(session, rosa, annotate(session, cho, 5, 4, 2, 1).id, "Not about this picture.")
    annotate(session, bob, 1, 2, 4, 5, cannot_judge={"kind": "media_missing", "note": ""})
    assert [each.annotation for each in queries.judgements(session, rosa)] == [kept.id]


def test_a_person_is_shown_with_what_reviewers_made_of_their_work(session: Session, project: Project) -> None:
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    first, second = annotate(session, bob, 1, 1, 1, 5), annotate(session, bob, 1, 1, 1, 5)
    annotations.accept(session, rosa, first.id)
    annotations.return_(session, rosa, second.id, "Look again at B.")
    judgements, works = queries.judgements(session, rosa), queries.works(session, rosa)
    (person,) = people.people(works, judgements, {bob.user.id: "Bob"}, {}, rosa.rubric.keys)
    assert (person.done, person.accepted, person.returned, person.minutes) == (2, 1, 1, 2.0)
    assert person.scores["helpfulness"] == [0.75, 0, 0, 0, 0.25]
    assert person.scores["ethics"] == [0, 0, 0, 0, 1]
    assert person.tau is None


def test_a_persons_tau_is_weighted_by_shared_samples() -> None:
    taus = {(1, 2): Figure(1.0, samples=3), (1, 3): Figure(-1.0, samples=1), (2, 3): Figure(None, samples=9)}
    (person,) = people.people([], [], {1: "Bob"}, taus, [])
    assert (person.tau, person.compared) == (0.5, 4)


def test_the_matrix_can_show_a_criterion(client: TestClient, session: Session, project: Project) -> None:
    for name, marks in (("bob", (1, 2, 4, 5)), ("cho", (1, 2, 5, 5))):
        annotate(session, desk.annotator(session, project, name), *marks)
    cast.sign_in(client, session, admin(session, project).user)
    ranks, faithful = client.get(AT).text, client.get(f"{AT}?measure=faithfulness").text
    assert 'data-heat="4"' in ranks
    assert '<a href="?measure=faithfulness#matrix" aria-current="page"' in faithful
    assert client.get(f"{AT}?measure=nonsense").status_code == 200


@pytest.mark.parametrize(("role", "status"), [("annotator", 403), ("researcher", 403), ("reviewer", 200)])
def test_reviewers_and_admins_look_others_do_not(
    client: TestClient, session: Session, project: Project, role: str, status: int
) -> None:
    cast.sign_in(client, session, cast.seat(session, cast.user(session, "uma"), project, role).user)
    assert client.get(AT).status_code == status


def test_another_projects_quality_is_not_to_be_found(client: TestClient, session: Session, project: Project) -> None:
    stranger = cast.user(session, "sam")
    cast.sign_in(client, session, stranger)
    assert client.get(AT).status_code == 404
