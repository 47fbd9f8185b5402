"""Review: the queue, one annotation beside the others of its sample, and the four verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from app.annotations import actions, comparison, desk, queries, rules
from app.annotations.refusals import BadReview
from app.annotations.schemas import DraftContent
from app.annotations.tables import STATES
from app.core.db import Db
from app.core.html import page, redirect
from app.projects.guard import Overseer, Reviewer, Seat

router = APIRouter(prefix="/projects/{slug}")
Text = Annotated[str, Form(max_length=400_000)]


@router.get("/reviews")
def queue(
    request: Request,
    session: Db,
    seat: Overseer,
    state: Annotated[str, Query(max_length=20)] = "submitted",
    annotator: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    order: Annotated[str, Query(max_length=20)] = "oldest",
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> Response:
    by_disagreement = order == "disagreement"
    limit = comparison.MOST_COMPARED if by_disagreement else queries.PAGE
    rows = queries.review_queue(session, seat, state, annotator or None, after or None, limit)
    lines = comparison.queue_lines(session, rows, by_disagreement)
    return page(
        request,
        "annotations/reviews.html",
        lines=lines[: queries.PAGE],
        counts=queries.counts_by_state(session, seat.project.id),
        annotators=queries.annotators(session, seat.project.id),
        states=["submitted", *STATES.values()],
        state=state,
        annotator=annotator,
        order=order,
        more=rows[-1].id if not by_disagreement and len(rows) == queries.PAGE else None,
        may_judge="reviewer" in seat.roles,
    )


@router.get("/reviews/{annotation_id}")
def review_page(request: Request, session: Db, seat: Overseer, annotation_id: int) -> Response:
    annotation = queries.annotation(session, seat, annotation_id)
    shown = desk.replies(annotation.sample, annotation.order)
    content = DraftContent.model_validate(annotation.latest.content).model_dump()
    others = [each for each in queries.of_sample(session, annotation.sample_id) if each.id != annotation.id]
    may = rules.may_review(seat, annotation) if "reviewer" in seat.roles else "Only a reviewer gives a verdict."
    return page(
        request,
        "annotations/review.html",
        annotation=annotation,
        content=content,
        data=desk.for_correction(seat, content, shown),
        question_type=annotation.sample.question_type,
        shown=shown,
        models={str(response.id): response.model for response in annotation.sample.responses},
        media=desk.viewer_items(seat, annotation.sample.media),
        is_video=any(medium.kind == "frame" for medium in annotation.sample.media),
        rubric=seat.rubric,
        cells=comparison.cells(annotation, others, seat.rubric),
        opinions=comparison.opinions(annotation, others, shown),
        history=comparison.history(annotation, shown, seat.rubric),
        disagreement=comparison.of(annotation, others),
        why_not="" if may is True else may,
        next_id=queries.next_to_review(session, seat, annotation_id),
    )


@dataclass(frozen=True)
class Verdict:
    """What every verdict says besides its name."""

    revision: int
    comment: str
    verified: list[str]


def _verdict(
    revision: Annotated[int, Form()], comment: Text = "", verified: Annotated[list[str] | None, Form()] = None
) -> Verdict:
    return Verdict(revision, comment, verified or [])


Given = Annotated[Verdict, Depends(_verdict)]


@router.post("/reviews/{annotation_id}/acceptance")
def accept(session: Db, seat: Reviewer, annotation_id: int, given: Given) -> Response:
    actions.accept(session, seat, annotation_id, **vars(given))
    return _to_next(session, seat, annotation_id)


@router.post("/reviews/{annotation_id}/correction")
def correct(session: Db, seat: Reviewer, annotation_id: int, given: Given, content: Text) -> Response:
    actions.correct(session, seat, annotation_id, _json(content), **vars(given))
    return _to_next(session, seat, annotation_id)


@router.post("/reviews/{annotation_id}/return")
def return_(session: Db, seat: Reviewer, annotation_id: int, given: Given) -> Response:
    actions.return_(session, seat, annotation_id, **vars(given))
    return _to_next(session, seat, annotation_id)


@router.post("/reviews/{annotation_id}/rejection")
def reject(session: Db, seat: Reviewer, annotation_id: int, given: Given) -> Response:
    actions.reject(session, seat, annotation_id, **vars(given))
    return _to_next(session, seat, annotation_id)


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadReview("The corrected annotation did not arrive as JSON.", "content") from None


def _to_next(session: Db, seat: Seat, annotation_id: int) -> Response:
    following = queries.next_to_review(session, seat, annotation_id)
    return redirect(f"/projects/{seat.project.slug}/reviews" + (f"/{following}" if following else ""))
