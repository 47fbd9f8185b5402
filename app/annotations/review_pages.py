"""Review: the queue, one annotation beside the others of its sample, and the four verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from app.annotations import comparison, contradiction, desk, looking, queries, reviewing, rules
from app.annotations.looking import Look, Order, Place, State
from app.annotations.refusals import BadReview
from app.annotations.schemas import DraftContent
from app.annotations.selecting import NAMES
from app.core.db import Db
from app.core.html import page, redirect
from app.core.language import gettext as _
from app.projects.guard import Overseer, Reviewer
from app.samples import assessments
from app.tasks.record_tables import GoldCheck
from app.tasks.tables import FLAG_KINDS

router = APIRouter(prefix="/projects/{slug}")
Text = Annotated[str, Form(max_length=400_000)]
Word = Annotated[str, Query(max_length=20)]
Share = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)]


def _look(
    state: State = "waiting",
    order: Order = "oldest",
    annotator: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    flag: Word = "",
    why: Word = "",
    above: Share = 0.0,
) -> Look:
    return Look(state, order, annotator, flag, why, above)


Looked = Annotated[Look, Depends(_look)]


@router.get("/reviews")
def queue(
    request: Request, session: Db, seat: Overseer, look: Looked, after: Annotated[str, Query(max_length=60)] = ""
) -> Response:
    lines = looking.lines(session, seat, look, Place.read(after), looking.PAGE + 1)
    return page(
        request,
        "annotations/reviews.html",
        lines=lines[: looking.PAGE],
        more=lines[looking.PAGE - 1].place if len(lines) > looking.PAGE else None,
        counts=looking.counts(session, seat),
        words=looking.WORDS,
        look=look,
        after=after,
        annotators=queries.annotators(session, seat.project.id),
        flag_kinds=FLAG_KINDS,
        names=NAMES,
        may_judge="reviewer" in seat.roles,
        offered=assessments.standing(session, seat.project.id),
    )


@router.get("/reviews/{annotation_id}")
def review_page(request: Request, session: Db, seat: Overseer, annotation_id: int, look: Looked) -> Response:
    annotation = queries.annotation(session, seat, annotation_id)
    shown = desk.replies(annotation.sample, annotation.order)
    content = DraftContent.model_validate(annotation.latest.content).model_dump()
    others = [each for each in queries.of_sample(session, annotation.sample_id) if each.id != annotation.id]
    may = rules.may_review(seat, annotation) if "reviewer" in seat.roles else _("Only a reviewer gives a verdict.")
    return page(
        request,
        "annotations/review.html",
        annotation=annotation,
        content=content,
        data=desk.for_correction(seat, content, shown, annotation.sample),
        question_type=annotation.sample.question_type,
        shown=shown,
        models={str(response.id): response.model for response in annotation.sample.responses},
        media=desk.viewer_items(seat, annotation.sample.media),
        is_video=any(medium.kind == "frame" for medium in annotation.sample.media),
        rubric=seat.rubric,
        cells=comparison.cells(annotation, others, seat.rubric),
        heats=comparison.heat_of_rows(annotation, others, seat.rubric),
        opinions=comparison.opinions(annotation, others, shown),
        history=comparison.history(annotation, shown, seat.rubric),
        disagreement=comparison.of(annotation, others),
        why=looking.why_waiting(session, seat, annotation),
        names=NAMES,
        second=contradiction.beside(session, seat, annotation, shown),
        gold=queries.gold(session, annotation.sample_id),
        gold_check=session.get(GoldCheck, annotation.task_id),
        decided=queries.adjudication(session, annotation.sample_id),
        why_not="" if may is True else may,
        look=look,
        next_id=looking.following(session, seat, look, annotation),
    )


@dataclass(frozen=True)
class Verdict:
    """What every verdict says besides its name."""

    revision: int
    comment: str
    verified: list[str]
    remarks: list[tuple[str, str]]


def _verdict(
    revision: Annotated[int, Form()],
    comment: Text = "",
    verified: Annotated[list[str] | None, Form()] = None,
    place: Annotated[list[str] | None, Form()] = None,
    remark: Annotated[list[str] | None, Form()] = None,
) -> Verdict:
    """place, remark: in pairs, in the order of the page."""
    if len(place or []) != len(remark or []):
        raise BadReview(_("Each remark needs its place."), "remark")
    return Verdict(revision, comment, verified or [], list(zip(place or [], remark or [], strict=True)))


Given = Annotated[Verdict, Depends(_verdict)]


def _leads_on(session: Db, seat: Reviewer, annotation_id: int, look: Looked) -> str:
    """Where to go after the verdict: to what follows in the list, found before the verdict moves this one in it."""
    following = looking.following(session, seat, look, queries.annotation(session, seat, annotation_id))
    at, asked = f"/projects/{seat.project.slug}/reviews", look.address()
    return at + (f"/{following}" if following else "") + (f"?{asked}" if asked else "")


Onward = Annotated[str, Depends(_leads_on)]


@router.post("/reviews/{annotation_id}/acceptance")
def accept(session: Db, seat: Reviewer, annotation_id: int, onward: Onward, given: Given) -> Response:
    reviewing.accept(session, seat, annotation_id, **vars(given))
    return redirect(onward)


@router.post("/reviews/{annotation_id}/correction")
def correct(session: Db, seat: Reviewer, annotation_id: int, onward: Onward, given: Given, content: Text) -> Response:
    reviewing.correct(session, seat, annotation_id, _json(content), **vars(given))
    return redirect(onward)


@router.post("/reviews/{annotation_id}/return")
def return_(session: Db, seat: Reviewer, annotation_id: int, onward: Onward, given: Given) -> Response:
    reviewing.return_(session, seat, annotation_id, **vars(given))
    return redirect(onward)


@router.post("/reviews/{annotation_id}/rejection")
def reject(session: Db, seat: Reviewer, annotation_id: int, onward: Onward, given: Given) -> Response:
    reviewing.reject(session, seat, annotation_id, **vars(given))
    return redirect(onward)


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadReview(_("The corrected annotation did not arrive as JSON."), "content") from None
