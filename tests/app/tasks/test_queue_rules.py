"""The queue's rules: who may have which task, how often a sample is judged, and what people are told."""

from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts.tables import User
from app.annotations import actions as annotating
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.tables import Sample
from app.tasks import actions, cutting, gold, people, ruling, standing
from app.tasks.record_tables import Admission, Gold, GoldCheck, Pause
from app.tasks.refusals import AlreadyGold, BadGold, BadRule
from app.tasks.tables import Task
from tests import cast
from tests.app.annotations import desk


@pytest.fixture
def alice(session: Session) -> User:
    return cast.user(session, "alice", is_admin=True)


@pytest.fixture
def project(session: Session, alice: User) -> Project:
    return cast.project(session, alice)


def rule(session: Session, project: Project, alice: User, **fields: object) -> None:
    cutting.change_rules(session, alice, project, ruling.read(dict(fields)))


def admin(project: Project, alice: User) -> Seat:
    return Seat(alice, project, frozenset({"admin"}))


def make(session: Session, seat: Seat, sample: Sample, use: str = "hidden", tolerance: int = 0) -> Gold:
    ids = [str(response.id) for response in sample.responses]
    scores = {ids[0]: {"helpfulness": 4}}
    return gold.make(session, seat, sample.id, use, scores, [[ids[0], ids[1]]], tolerance, "It names all four.")


def test_each_stratum_has_its_overlap_and_priority(session: Session, project: Project, alice: User) -> None:
    plain = cast.sample(session, project, "plain")
    safety = cast.sample(session, project, "risky", domain="safety")
    rule(session, project, alice, strata=[{"domain": "safety", "overlap": 5, "priority": 3}, {"overlap": 2}])
    assert actions.cut_tasks(session, project, alice) == 7
    assert Counter(session.scalars(sa.select(Task.sample_id))) == {plain.id: 2, safety.id: 5}
    held = actions.lease_next(session, desk.annotator(session, project))
    assert held and held.sample_id == safety.id, "the higher priority comes first"
    rule(session, project, alice, strata=[{"domain": "safety", "overlap": 5, "priority": -3}])
    held = actions.lease_next(session, desk.annotator(session, project, "dora"))
    assert held and held.sample_id == plain.id, "open tasks take the new priority"


def test_languages_and_skills_open_lanes_and_their_lack_is_told(
    session: Session, project: Project, alice: User
) -> None:
    chinese = cast.sample(session, project, "中文", language="zh")
    medical = cast.sample(session, project, "tissue", cluster="tissue")
    rule(session, project, alice, by_language=True, strata=[{"cluster": "tissue", "overlap": 1, "skill": "medicine"}])
    actions.cut_tasks(session, project, alice)
    bob = desk.annotator(session, project)
    assert actions.lease_next(session, bob) is None
    assert "medicine, zh" in (standing.why_none(session, bob) or "")
    people.change_record(session, admin(project, alice), bob.user.id, "ZH, en", "", None, None)
    held = actions.lease_next(session, bob)
    assert held and held.sample_id == chinese.id
    dora = desk.annotator(session, project, "dora")
    people.change_record(session, admin(project, alice), dora.user.id, "", "medicine", None, None)
    held = actions.lease_next(session, dora)
    assert held and held.sample_id == medical.id


def test_quotas_a_day_and_a_cluster_end_the_supply_and_say_so(session: Session, project: Project, alice: User) -> None:
    for number in range(3):
        cast.sample(session, project, f"alike {number}", cluster="alike")
    other = cast.sample(session, project, "another", cluster="another")
    actions.cut_tasks(session, project, alice)
    rule(session, project, alice, daily_quota=2, cluster_quota=1)
    bob = desk.annotator(session, project)
    desk.annotate(session, bob)
    assert desk.annotate(session, bob).sample_id == other.id, "the cluster's one annotation is made"
    assert actions.lease_next(session, bob) is None
    assert "today" in (standing.why_none(session, bob) or "")
    rule(session, project, alice, cluster_quota=1)
    assert actions.lease_next(session, bob) is None
    assert "groups of samples" in (standing.why_none(session, bob) or "")


def test_a_rule_out_of_bounds_is_refused_by_name(session: Session, project: Project) -> None:
    for fields in ({"gold_percent": 90}, {"strata": [{"overlap": 0}]}, {"pause_of": 3, "pause_from": 9}):
        with pytest.raises(BadRule):
            ruling.read(fields)


def test_gold_is_met_unseen_and_enters_the_record(session: Session, project: Project, alice: User) -> None:
    samples = [cast.sample(session, project, f"Question {number}") for number in range(3)]
    actions.cut_tasks(session, project, alice)
    make(session, admin(project, alice), samples[0])
    with pytest.raises(AlreadyGold):
        make(session, admin(project, alice), samples[0])
    rule(session, project, alice, gold_percent=50)
    met = []
    for name in ("bob", "dora"):
        seat = desk.annotator(session, project, name)
        while held := actions.lease_next(session, seat):
            annotating.submit(session, seat, held.task_id, desk.content(held.task.sample), f"{name} {held.id}")
            met.append(held.sample_id)
    assert len(met) == len(set(met)) + (met.count(samples[0].id) > 1), "only gold is met by both"
    assert session.scalar(sa.select(sa.func.count()).select_from(GoldCheck)) == met.count(samples[0].id)
    assert all(check.passed and check.expected == 2 for check in session.scalars(sa.select(GoldCheck)))


def test_gold_that_expects_nothing_or_something_foreign_is_refused(
    session: Session, project: Project, alice: User
) -> None:
    sample, seat = cast.sample(session, project), admin(project, alice)
    for scores, pairs, reason in (({}, [], "why"), ({"999": {"ethics": 1}}, [], "why"), ({}, [["1"]], "why")):
        with pytest.raises(BadGold):
            gold.make(session, seat, sample.id, "hidden", scores, pairs, 0, reason)
    ids = [str(response.id) for response in sample.responses]
    with pytest.raises(BadGold):
        gold.make(session, seat, sample.id, "hidden", {}, [ids[:2]], 0, " ")


def test_the_qualification_set_opens_the_queue_to_those_who_reach_the_mark(
    session: Session, project: Project, alice: User
) -> None:
    samples = [cast.sample(session, project, f"Question {number}") for number in range(3)]
    actions.cut_tasks(session, project, alice)
    for sample in samples[:2]:
        make(session, admin(project, alice), sample, "qualification")
    rule(session, project, alice, pass_mark=100)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    for _ in range(2):
        assert desk.annotate(session, bob).sample_id in {samples[0].id, samples[1].id}
    assert session.scalar(sa.select(Admission.user_id)) == bob.user.id
    assert desk.annotate(session, bob).sample_id == samples[2].id
    for _ in range(2):
        held = desk.lease(session, dora)
        low = {str(each.id): {"helpfulness": 1, "faithfulness": 1, "ethics": 1} for each in held.task.sample.responses}
        annotating.submit(session, dora, held.task_id, desk.content(held.task.sample, scores=low), f"d{held.id}")
    assert actions.lease_next(session, dora) is None
    assert "qualification" in (standing.why_none(session, dora) or "")
    people.admit(session, admin(project, alice), [dora.user.id])
    assert standing.why_none(session, dora) is None


def test_who_fails_gold_is_paused_and_can_be_let_on(session: Session, project: Project, alice: User) -> None:
    seat = admin(project, alice)
    for number in range(3):
        make(session, seat, cast.sample(session, project, f"Question {number}"))
    rule(session, project, alice, gold_percent=50, pause_below=60, pause_from=2)
    bob = desk.annotator(session, project)
    low = {"scores": {}}
    while (held := next(filter(None, (actions.lease_next(session, bob) for _ in range(60))), None)) is not None:
        low = {str(each.id): {"helpfulness": 1, "faithfulness": 1, "ethics": 1} for each in held.task.sample.responses}
        annotating.submit(session, bob, held.task_id, desk.content(held.task.sample, scores=low), f"b{held.id}")
    assert [pause.user_id for pause in people.paused(session, project.id)] == [bob.user.id]
    assert "paused" in (standing.why_none(session, bob) or "")
    assert session.scalar(sa.select(sa.func.count()).select_from(GoldCheck)) == 2
    people.resume(session, seat, bob.user.id)
    assert standing.why_none(session, bob) is None
    assert session.scalar(sa.select(Pause.ended_by_id)) == alice.id


def test_an_admin_rules_the_queue_and_an_annotator_practises(
    client: TestClient, session: Session, project: Project, alice: User
) -> None:
    sample = cast.sample(session, project)
    bob = desk.annotator(session, project)
    at = f"/projects/{project.slug}"
    cast.sign_in(client, session, alice)
    form = {"overlap": ["4", ""], "priority": ["1", ""], "gold_percent": "10"}
    form |= {name: ["", ""] for name in ("domain", "question_type", "language", "cluster", "skill")}
    assert "Pass mark" in client.post(f"{at}/queue/rules", data=form).text
    session.expire_all()
    assert ruling.rules_of(project).strata == [ruling.Stratum(overlap=4, priority=1)]
    assert client.post(f"{at}/queue/rules", data={"gold_percent": "x"}).status_code == 422
    client.post(f"{at}/queue/people/{bob.user.id}/pause", data={"reason": "Talk to me first."})
    assert "Talk to me first." in client.get(f"{at}/queue").text
    ids = [str(response.id) for response in sample.responses]
    assert "Expected order" in client.get(f"{at}/samples/{sample.id}/gold").text
    made = {"use": "practice", "mark": [f"{ids[0]}.ethics.5"], "order": "A B", "tolerance": "0", "reason": "A is safe."}
    assert "A is safe." in client.post(f"{at}/samples/{sample.id}/gold", data=made).text
    cast.sign_in(client, session, bob.user)
    shown = client.get(f"{at}/practice")
    assert "A is safe." not in shown.text and "secret-model" not in shown.text
    answer = client.post(str(shown.url), data={"mark": [f"{ids[0]}.ethics.1"], "order": "A B C D"}).text
    assert "A is safe." in answer and "expected 5" in answer and "1 of 2" in answer
    assert "Talk to me first." in client.get(f"{at}/annotate").text
    assert client.get(f"{at}/queue").status_code == 403
