"""The queue's rules, and who may have which tasks: an admin's page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from app.core.db import Db
from app.core.html import page, redirect
from app.projects.guard import Admin, Seat
from app.samples.tables import DOMAINS, QUESTION_TYPES
from app.tasks import cutting, people, queries, ruling

router = APIRouter()
Words = Annotated[list[str], Form(max_length=60)]
Line = Annotated[str, Form(max_length=5000)]
Number = Annotated[str, Form(max_length=12)]
BLANK = 2
"""Empty lines for further strata under those that are there."""


@router.get("/queue")
def queue(request: Request, session: Db, seat: Admin) -> Response:
    rules = ruling.rules_of(seat.project)
    return page(
        request,
        "tasks/queue.html",
        rules=rules,
        strata=[*rules.strata, *[None] * BLANK],
        people=people.people(session, seat.project.id),
        short=queries.short_of_tasks(session, seat.project),
        domains=DOMAINS,
        question_types=QUESTION_TYPES,
    )


@router.post("/queue/rules")
def change_rules(
    session: Db,
    seat: Admin,
    domain: Words = [],  # noqa: B006  (FastAPI copies it)
    question_type: Words = [],  # noqa: B006
    language: Words = [],  # noqa: B006
    cluster: Words = [],  # noqa: B006
    overlap: Words = [],  # noqa: B006
    priority: Words = [],  # noqa: B006
    skill: Words = [],  # noqa: B006
    by_language: Annotated[bool, Form()] = False,
    daily_quota: Number = "",
    total_quota: Number = "",
    cluster_quota: Number = "",
    gold_percent: Number = "",
    pass_mark: Number = "",
    pause_below: Number = "",
    pause_of: Number = "",
    pause_from: Number = "",
) -> Response:
    """The strata come as columns; a line without an overlap is no stratum. An empty number is no rule."""
    columns = (domain, question_type, language, cluster, overlap, priority, skill)
    names = ("domain", "question_type", "language", "cluster", "overlap", "priority", "skill")
    lines = [dict(zip(names, line, strict=True)) for line in zip(*columns, strict=False)]
    numbers = {
        "daily_quota": daily_quota,
        "total_quota": total_quota,
        "cluster_quota": cluster_quota,
        "gold_percent": gold_percent,
        "pass_mark": pass_mark,
        "pause_below": pause_below,
        "pause_of": pause_of,
        "pause_from": pause_from,
    }
    fields: dict[str, Any] = {name: text.strip() for name, text in numbers.items() if text.strip()}
    strata = [_stratum(line) for line in lines if line["overlap"].strip()]
    rules = ruling.read({**fields, "by_language": by_language, "strata": strata})
    cutting.change_rules(session, seat.user, seat.project, rules)
    return _back(seat, "rules")


def _stratum(line: dict[str, str]) -> dict[str, Any]:
    words = {name: text.strip() for name, text in line.items()}
    return {**words, "language": words["language"].lower(), "priority": words["priority"] or 0}


@router.post("/queue/people/{user_id}/record")
def change_record(
    session: Db,
    seat: Admin,
    user_id: int,
    languages: Line = "",
    skills: Line = "",
    daily_quota: Number = "",
    total_quota: Number = "",
) -> Response:
    quotas = [int(text) if text.strip().isdigit() else None for text in (daily_quota, total_quota)]
    people.change_record(session, seat, user_id, languages, skills, *quotas)
    return _back(seat, "people")


@router.post("/queue/people/{user_id}/pause")
def pause(session: Db, seat: Admin, user_id: int, reason: Line = "") -> Response:
    people.pause(session, seat, user_id, reason)
    return _back(seat, "people")


@router.post("/queue/people/{user_id}/resumption")
def resume(session: Db, seat: Admin, user_id: int, note: Line = "") -> Response:
    people.resume(session, seat, user_id, note)
    return _back(seat, "people")


@router.post("/queue/people/{user_id}/admission")
def admit(session: Db, seat: Admin, user_id: int) -> Response:
    people.admit(session, seat, [user_id])
    return _back(seat, "people")


def _back(seat: Seat, place: str) -> Response:
    return redirect(f"/projects/{seat.project.slug}/queue#{place}")
