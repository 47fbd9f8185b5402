"""Review rules: what they select, what they accept without a person, and what they would do before they are saved."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts.tables import User
from app.annotations import actions, applying, queries, sampling
from app.annotations.refusals import AlreadyReviewed
from app.annotations.selecting import Rules
from app.annotations.tables import Annotation, Waiting
from app.core.db import transaction
from app.projects.guard import Seat
from app.projects.tables import Project
from app.tasks import flags, gold
from tests import cast
from tests.app.annotations import desk

NONE = Rules(later_percent=0)


def why(session: Session) -> dict[int, list[str]]:
    return dict(session.execute(sa.select(Waiting.annotation_id, Waiting.why)).all())  # type: ignore[arg-type]


def state(session: Session, seat: Seat, annotation: Annotation) -> str:
    session.expire_all()
    return queries.annotation(session, seat, annotation.id).state


def story(session: Session, samples: int, rules: Rules, overlap: int = 1) -> tuple[Seat, Seat]:
    project = desk.project(session, samples=samples, overlap=overlap)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    applying.change_rules(session, rosa.user, project, rules)
    return bob, rosa


def test_of_each_person_the_first_ones_are_selected_and_later_ones_are_not(session: Session) -> None:
    bob, rosa = story(session, 3, Rules(newcomer_first=2, later_percent=0), overlap=2)
    dora = desk.annotator(session, rosa.project, "dora")
    rows = [desk.annotate(session, who) for _ in range(3) for who in (bob, dora)]
    assert [why(session)[row.id] for row in rows] == [["newcomer"]] * 4 + [[]] * 2


def test_a_draw_is_the_same_each_time_and_a_higher_share_keeps_what_a_lower_one_drew(session: Session) -> None:
    bob, rosa = story(session, 12, Rules(later_percent=30))
    rows = [desk.annotate(session, bob).id for _ in range(12)]

    def drawn(percent: float) -> set[int]:
        applying.change_rules(session, rosa.user, rosa.project, Rules(later_percent=percent))
        return {row for row, names in why(session).items() if names}

    some, more = drawn(30), drawn(70)
    assert drawn(30) == some < more or some == more
    assert (drawn(0), drawn(100)) == (set(), set(rows))


def test_people_who_differ_and_samples_that_are_flagged_are_selected(session: Session) -> None:
    rules = Rules(later_percent=0, disagreement_above=0.2, flagged=True)
    bob, rosa = story(session, 2, rules, overlap=2)
    dora = desk.annotator(session, rosa.project, "dora")
    agreed = [desk.annotate(session, bob), desk.annotate(session, dora)]
    held = desk.lease(session, bob)
    ids = [str(each.id) for each in held.task.sample.responses]
    one = actions.submit(
        session, bob, held.task_id, desk.content(held.task.sample, ranking=[[i] for i in ids[::-1]]), "k", 1
    )
    other = desk.annotate(session, dora)
    assert why(session) == {agreed[0].id: [], agreed[1].id: [], one.id: ["disagreement"], other.id: ["disagreement"]}
    flags.flag(session, bob, agreed[0].task_id, "confusing")
    sampling.reconsider(session)
    assert (why(session)[agreed[0].id], why(session)[agreed[1].id]) == (["flagged"], ["flagged"])


def test_what_no_rule_selects_is_accepted_by_rule_once_its_sample_is_done_and_says_so(session: Session) -> None:
    bob, rosa = story(session, 1, Rules(later_percent=0, unselected="accept"), overlap=2)
    one = desk.annotate(session, bob)
    assert state(session, rosa, one) == "submitted"
    other = desk.annotate(session, desk.annotator(session, rosa.project, "dora"))
    assert [state(session, rosa, each) for each in (one, other)] == ["accepted by rule"] * 2
    assert why(session) == {}


def test_a_persons_verdict_takes_the_place_of_a_rules_and_stays_when_rules_change(session: Session) -> None:
    bob, rosa = story(session, 2, Rules(later_percent=0, unselected="accept"))
    rows = [desk.annotate(session, bob) for _ in range(2)]
    session.expire_all()
    actions.return_(session, rosa, rows[0].id, "Look at B again")
    with pytest.raises(AlreadyReviewed):
        actions.accept(session, rosa, rows[0].id)
    applying.change_rules(session, rosa.user, rosa.project, Rules())
    assert [state(session, rosa, row) for row in rows] == ["returned", "submitted"]
    assert why(session) == {rows[1].id: ["all"]}


def test_a_flag_that_comes_late_brings_back_what_a_rule_had_accepted(session: Session) -> None:
    bob, rosa = story(session, 1, Rules(later_percent=0, flagged=True, unselected="accept"))
    row = desk.annotate(session, bob)
    flags.flag(session, bob, row.task_id, "harmful")
    for _ in range(2):
        sampling.reconsider(session)
    assert (state(session, rosa, row), why(session)) == ("submitted", {row.id: ["flagged"]})


def test_the_preview_counts_what_saving_would_do_and_changes_nothing(client: TestClient, session: Session) -> None:
    bob, rosa = story(session, 4, Rules())
    rows = [desk.annotate(session, bob) for _ in range(4)]
    actions.accept(session, rosa, rows[0].id)
    rules = Rules(newcomer_first=2, later_percent=0, unselected="accept")
    told = sampling.preview(session, rosa.project, rules)
    assert (told.total, told.selected, told.by_rule) == (4, 2, {"newcomer": 2})
    assert (told.open_total, told.open_selected, told.accepted, told.back) == (3, 1, 2, 0)
    cast.sign_in(client, session, session.get_one(cast.User, rosa.project.members[0].user_id))
    asked = {"newcomer_first": "2", "later_percent": "0", "unselected": "accept"}
    page = client.get("/projects/streets/reviews/rules", params=asked).text
    assert "Not saved yet" in page
    assert why(session) == {row.id: ["all"] for row in rows[1:]}
    client.post("/projects/streets/reviews/rules", data=asked)
    session.expire_all()
    assert why(session) == {rows[1].id: ["newcomer"]}
    assert sampling.preview(session, rosa.project, rules).back == 0


def test_rules_of_a_large_project_are_applied_some_samples_at_a_time_and_newer_rules_take_over(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "AT_ONCE", 1)
    monkeypatch.setattr("app.annotations.applying.nudge", lambda *_: None)
    bob, rosa = story(session, 3, Rules())
    rows = [desk.annotate(session, bob) for _ in range(3)]
    older = applying.change_rules(session, rosa.user, rosa.project, Rules(later_percent=0))
    assert applying.go_on(session, older.id)
    assert sorted(map(len, why(session).values())) == [0, 1, 1]
    newer = applying.change_rules(session, rosa.user, rosa.project, Rules(newcomer_first=1, later_percent=0))
    assert not applying.go_on(session, older.id)
    assert applying.unfinished(session) == [newer.id]
    cast.sign_in(client, session, session.get_one(cast.User, rosa.project.members[0].user_id))
    at = "/projects/streets/reviews/rules/progress"
    assert 'data-follow="/projects/streets/reviews/rules/progress"' in client.get(at).text
    while applying.go_on(session, newer.id):
        pass
    assert why(session) == {rows[0].id: ["newcomer"], rows[1].id: [], rows[2].id: []}
    assert (newer.applied, newer.samples) == (3, 3)
    session.commit()
    assert "data-follow" not in client.get(at).text


def test_rules_out_of_bounds_are_refused_by_name_and_only_an_admin_changes_them(
    client: TestClient, session: Session
) -> None:
    _, rosa = story(session, 1, Rules())
    cast.sign_in(client, session, rosa.user)
    assert client.get("/projects/streets/reviews/rules").status_code == 403
    cast.sign_in(client, session, session.get_one(cast.User, rosa.project.members[0].user_id))
    for bad in ({"later_percent": "101"}, {"later_percent": "nan"}, {"later_percent": "5", "newcomer_first": "-1"}):
        answer = client.post("/projects/streets/reviews/rules", data=bad, headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (422, "BadReview")


def test_of_two_who_submit_at_once_the_second_sees_the_first(session: Session) -> None:
    """Both believe that the other's task is open; the row of the sample lets them pass one after the other."""
    bob, rosa = story(session, 1, Rules(later_percent=0, disagreement_above=0.2, unselected="accept"), overlap=2)
    dora = desk.annotator(session, rosa.project, "dora")
    held = {seat: desk.lease(session, seat) for seat in (bob, dora)}
    ids = [str(each.id) for each in held[bob].task.sample.responses]
    orders = {bob: ids, dora: ids[::-1]}
    session.commit()
    both = threading.Barrier(2)

    def submit(seat: Seat) -> None:
        with transaction() as own:
            mine = Seat(own.get_one(User, seat.user.id), own.get_one(Project, seat.project.id), seat.roles)
            content = desk.content(held[seat].task.sample, ranking=[[each] for each in orders[seat]])
            both.wait(10)
            actions.submit(own, mine, held[seat].task_id, content, f"key {seat.user.id}", 1.0)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(submit, (bob, dora)))
    assert sorted(why(session).values()) == [["disagreement"]] * 2


def test_an_annotation_that_misses_gold_is_selected_and_its_reviewer_sees_the_right_answer(
    client: TestClient, session: Session
) -> None:
    bob, rosa = story(session, 2, Rules(later_percent=0, gold_failures=True))
    held = desk.lease(session, bob)
    best = str(held.task.sample.responses[0].id)
    seat = cast.seat(session, rosa.project.members[0].user, rosa.project)
    expected = {best: {"helpfulness": 1}}
    gold.make(session, seat, held.sample_id, "hidden", expected, [], 1, "The first is not helpful at all.")
    session.expire_all()  # as the next request would find it
    missed = actions.submit(session, bob, held.task_id, desk.content(held.task.sample), "key", 9.0)
    other = desk.annotate(session, bob)
    assert (why(session)[missed.id], why(session)[other.id]) == (["gold"], [])
    cast.sign_in(client, session, rosa.user)
    page = client.get(f"/projects/streets/reviews/{missed.id}").text
    assert "The first is not helpful at all." in page
    assert "0 of 1 met" in page
