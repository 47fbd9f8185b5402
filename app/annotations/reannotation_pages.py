"""Annotating a set again: choose it, see how many it is, order it with a reason, undo it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from app.annotations import choosing, queries, reannotating
from app.annotations.choosing import Chosen, State
from app.annotations.refusals import BadReview
from app.core.db import Db
from app.core.html import page, redirect
from app.core.language import gettext as _
from app.projects.guard import Admin
from app.samples.tables import DOMAINS, QUESTION_TYPES

router = APIRouter(prefix="/projects/{slug}")
Short = Annotated[str, Query(max_length=20)]


def _chosen(
    annotator: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    state: State = "",
    question_type: Short = "",
    domain: Short = "",
    since: Short = "",
    until: Short = "",
    agreement_from: Short = "",
    agreement_to: Short = "",
) -> Chosen:
    """Raises BadReview for a day or a share that is none."""
    return Chosen(
        annotator,
        state,
        question_type,
        domain,
        _day(since, "since"),
        _day(until, "until"),
        _share(agreement_from, "agreement_from"),
        _share(agreement_to, "agreement_to"),
    )


def _day(text: str, place: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise BadReview(_("“%(text)s” is no day such as 2026-11-23.", text=text), place) from None


def _share(text: str, place: str) -> float | None:
    try:
        share = float(text) if text else None
    except ValueError:
        share = -1.0
    if share is not None and not 0 <= share <= 1:
        raise BadReview(_("Agreement is 0 to 1, not “%(text)s”.", text=text), place)
    return share


Filters = Annotated[Chosen, Depends(_chosen)]


@router.get("/reannotations")
def reannotations(
    request: Request, session: Db, seat: Admin, chosen: Filters, ordered: Annotated[int, Query()] = 0
) -> Response:
    given: dict[str, Any] = chosen.given
    return page(
        request,
        "annotations/reannotations.html",
        chosen=chosen,
        query=urlencode(given),
        outlook=choosing.outlook(session, seat, chosen) if given else None,
        examples=choosing.examples(session, seat, chosen) if given else [],
        annotators=queries.annotators(session, seat.project.id),
        domains=DOMAINS,
        question_types=QUESTION_TYPES,
        orders=reannotating.orders(session, seat),
        just_now=ordered,
    )


@router.post("/reannotations")
def order(
    session: Db,
    seat: Admin,
    chosen: Filters,
    expected: Annotated[int, Form(ge=0)],
    reason: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    """The filters stand in the address, as where they were counted."""
    row = reannotating.order(session, seat, chosen, reason, expected)
    return redirect(f"/projects/{seat.project.slug}/reannotations?ordered={row.id}")


@router.post("/reannotations/{reannotation_id}/undoing")
def undo(session: Db, seat: Admin, reannotation_id: int) -> Response:
    reannotating.undo(session, seat, reannotation_id)
    return redirect(f"/projects/{seat.project.slug}/reannotations")
