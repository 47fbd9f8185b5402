"""Annotating, one's own work, and a sample's page with what people judged of it."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.annotations import (
    adjudication_pages,
    comparison,
    desk,
    gold_pages,
    key_pages,
    map_pages,
    queries,
    reannotation_pages,
    review_pages,
    rule_pages,
    second_thoughts,
)
from app.annotations.keys import FIXED, KEYS
from app.annotations.places import Remark, remarks_of
from app.annotations.tables import Annotation
from app.core.db import Db, Session
from app.core.html import page, redirect
from app.projects import guidance
from app.projects.guard import Annotator, Overseer, Seat
from app.samples import queries as samples
from app.tasks import actions as tasks
from app.tasks import queries as task_queries
from app.tasks import standing
from app.tasks.tables import FLAG_KINDS

router = APIRouter()
router.include_router(rule_pages.router)  # before the next: “rules” is no annotation's number
router.include_router(review_pages.router)
router.include_router(adjudication_pages.router)
router.include_router(reannotation_pages.router)
router.include_router(key_pages.router)
router.include_router(gold_pages.router)
router.include_router(map_pages.router)
AT = "/projects/{slug}"
AHEAD_SECONDS = 3600
"""How long a page that was fetched ahead may wait in the browser: an hour without a server."""


class OwnWork(NamedTuple):
    """One line of a person's own work: with the ranking in words, and what a reviewer remarked and corrected."""

    annotation: Annotation
    ranking: str
    remarks: list[Remark]
    corrections: list[comparison.Change]


@router.get(AT + "/annotate")
def annotate_next(request: Request, session: Db, seat: Annotator) -> Response:
    lease = tasks.lease_next(session, seat)
    if lease is None:
        return page(
            request,
            "annotations/nothing_left.html",
            mine=queries.progress_of(session, seat),
            held=task_queries.held_now(session, seat.project.id),
            why=standing.why_none(session, seat),
        )
    return redirect(f"/projects/{seat.project.slug}/annotate/{lease.task_id}")


@router.get(AT + "/annotate/{task_id}")
def annotate(request: Request, session: Db, seat: Annotator, task_id: int) -> Response:
    ahead = request.headers.get("x-ahead")
    lease = tasks.hold_for_submission(session, seat, task_id) if ahead else tasks.reopen(session, seat, task_id)
    if lease.task_id != task_id:  # somebody took this one meanwhile, but the sample had another
        return redirect(f"/projects/{seat.project.slug}/annotate/{lease.task_id}")
    laid = desk.lay_out(session, seat, task_queries.task(session, seat, task_id), lease)
    answer = _workspace(request, session, seat, laid)
    if ahead:  # fetched while the task before is finished; its address names the lease
        answer.headers["cache-control"] = f"private, max-age={AHEAD_SECONDS}"
    return answer


@router.get(AT + "/annotations/{annotation_id}/revision")
def change(request: Request, session: Db, seat: Annotator, annotation_id: int) -> Response:
    annotation = second_thoughts.to_change(session, seat, annotation_id)
    return _workspace(request, session, seat, desk.lay_out_again(session, seat, annotation))


def _workspace(request: Request, session: Session, seat: Seat, laid: desk.Desk) -> Response:
    news = guidance.news(session, seat)
    remarks = remarks_of(laid.returned.remarks, laid.replies, seat.rubric) if laid.returned else []
    return page(
        request,
        "annotations/annotate.html",
        desk=laid,
        shown=laid.replies,
        data=desk.for_script(seat, laid, news.number) | {"remarks": [each._asdict() for each in remarks]},
        guidance=news,
        remarks=remarks,
        question_type=laid.sample.question_type,
        rubric=seat.rubric,
        media=desk.viewer_items(seat, laid.sample.media),
        mine=queries.progress_of(session, seat),
        flag_kinds=FLAG_KINDS,
        keys=KEYS,
        fixed_keys=FIXED,
    )


@router.get(AT + "/annotations/mine")
def mine(
    request: Request, session: Db, seat: Annotator, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> Response:
    rows = queries.mine(session, seat, before)
    return page(
        request,
        "annotations/mine.html",
        rows=[_own_work(seat, row) for row in rows],
        tally=queries.own_states(session, seat),
        mine=queries.progress_of(session, seat),
        more=rows[-1].id if len(rows) >= queries.PAGE else None,
        first_page=before is None,
    )


def _own_work(seat: Seat, row: Annotation) -> OwnWork:
    shown, review = desk.replies(row.sample, row.order), row.latest.review
    return OwnWork(
        row,
        desk.words_of_ranking(row.latest.content["ranking"], shown),
        remarks_of(review.remarks if review else [], shown, seat.rubric),
        comparison.history(row, shown, seat.rubric)[0].changes if row.state == "corrected" else [],
    )


@router.get(AT + "/samples/{sample_id}")
def sample(request: Request, session: Db, seat: Overseer, sample_id: int) -> Response:
    row = samples.sample(session, seat, sample_id)
    shown = desk.replies(row, [response.id for response in row.responses])
    annotations = queries.of_sample(session, row.id)
    return page(
        request,
        "samples/sample.html",
        sample=row,
        replies=list(zip(shown, row.responses, strict=True)),
        media=desk.viewer_items(seat, row.media),
        is_video=any(medium.kind == "frame" for medium in row.media),
        tasks=task_queries.tasks_of_sample(session, row.id),
        flags=task_queries.flags_of_sample(session, row.id),
        skips=task_queries.skips_of_sample(session, row.id),
        annotations=[(each, desk.words_of_ranking(each.latest.content["ranking"], shown)) for each in annotations],
    )
