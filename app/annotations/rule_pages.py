"""A project's review rules: changed by an admin who sees first what they would select."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError

from app.annotations import applying, sampling
from app.annotations.refusals import BadReview
from app.annotations.selecting import NAMES, Rules, rules_of
from app.core import faults
from app.core.db import Db
from app.core.html import page, redirect
from app.core.language import gettext as _
from app.projects.guard import Admin

router = APIRouter(prefix="/projects/{slug}")
Short = Annotated[str, Query(max_length=20)]


def _given(**fields: Any) -> Rules:
    """Rules as a form sends them, where an empty field is no rule. Raises BadReview."""
    try:
        return Rules.model_validate({name: None if value == "" else value for name, value in fields.items()})
    except ValidationError as problem:
        place, what = faults.first(problem)
        raise BadReview(what, place, _("Mend the field and save again.")) from None


def _asked(
    newcomer_first: Short = "",
    later_percent: Short = "",
    disagreement_above: Short = "",
    flagged: Short = "",
    gold_failures: Short = "",
    contradiction_above: Short = "",
    unselected: Short = "",
) -> Rules | None:
    """The rules to try out; None where the page is opened without any."""
    if not later_percent:
        return None
    return _given(
        newcomer_first=newcomer_first or 0,
        later_percent=later_percent,
        disagreement_above=disagreement_above,
        flagged=bool(flagged),
        gold_failures=bool(gold_failures),
        contradiction_above=contradiction_above,
        unselected=unselected or "wait",
    )


@router.get("/reviews/rules")
def rules_page(request: Request, session: Db, seat: Admin, asked: Annotated[Rules | None, Depends(_asked)]) -> Response:
    rules = asked or rules_of(seat.project)
    return page(
        request,
        "annotations/rules.html",
        rules=rules,
        trying=asked is not None and asked != rules_of(seat.project),
        preview=sampling.preview(session, seat.project, rules),
        names=NAMES,
        change=applying.latest(session, seat.project),
    )


@router.get("/reviews/rules/progress")
def progress_part(request: Request, session: Db, seat: Admin) -> Response:
    """How far the saved rules are applied, as the part of the page that shows it."""
    return page(request, "annotations/_applying.html", change=applying.latest(session, seat.project))


@router.post("/reviews/rules")
def change_rules(
    session: Db,
    seat: Admin,
    later_percent: Annotated[str, Form(max_length=20)],
    newcomer_first: Annotated[str, Form(max_length=20)] = "0",
    disagreement_above: Annotated[str, Form(max_length=20)] = "",
    flagged: Annotated[str, Form(max_length=20)] = "",
    gold_failures: Annotated[str, Form(max_length=20)] = "",
    contradiction_above: Annotated[str, Form(max_length=20)] = "",
    unselected: Annotated[str, Form(max_length=20)] = "wait",
) -> Response:
    rules = _given(
        newcomer_first=newcomer_first or 0,
        later_percent=later_percent,
        disagreement_above=disagreement_above,
        flagged=bool(flagged),
        gold_failures=bool(gold_failures),
        contradiction_above=contradiction_above,
        unselected=unselected,
    )
    applying.change_rules(session, seat.user, seat.project, rules)
    return redirect(f"/projects/{seat.project.slug}/reviews/rules")
