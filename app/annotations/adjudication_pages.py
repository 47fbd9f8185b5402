"""Adjudication: the samples that people judge differently, and one of them side by side with the decision."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from app.annotations import adjudicating, comparison, contradiction, desk, queries, rules
from app.annotations.consensus import consensus
from app.annotations.looking import Place
from app.annotations.refusals import BadReview
from app.annotations.schemas import DraftContent
from app.core.db import Db
from app.core.html import page, redirect
from app.core.language import gettext as _
from app.projects.guard import Overseer, Reviewer
from app.samples import queries as samples

router = APIRouter(prefix="/projects/{slug}")


@router.get("/adjudications")
def cases(
    request: Request,
    session: Db,
    seat: Overseer,
    decided: bool = False,
    after: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    rows = adjudicating.cases(session, seat, decided, Place.read(after), adjudicating.PAGE + 1)
    shown = rows[: adjudicating.PAGE]
    return page(
        request,
        "annotations/adjudications.html",
        cases=shown,
        more=Place(shown[-1].disagreement, shown[-1].sample.id) if len(rows) > len(shown) else None,
        counts=adjudicating.count(session, seat.project.id),
        decided=decided,
        after=after,
        may_decide="reviewer" in seat.roles,
    )


@router.get("/samples/{sample_id}/adjudication")
def case(request: Request, session: Db, seat: Overseer, sample_id: int) -> Response:
    sample = samples.sample(session, seat, sample_id)
    annotations = adjudicating.side_by_side(session, sample_id)
    decision = queries.adjudication(session, sample_id)
    shown = desk.replies(sample, [response.id for response in sample.responses])
    contents = [DraftContent.model_validate(each.latest.content) for each in annotations]
    common = consensus(contents, [reply.id for reply in shown], seat.rubric.keys).model_dump()
    may = rules.may_adjudicate(seat, annotations) if "reviewer" in seat.roles else _("Only a reviewer decides.")
    start = decision.content if decision else common
    return page(
        request,
        "annotations/adjudicate.html",
        sample=sample,
        annotations=annotations,
        contents=contents,
        rankings=[desk.words_of_ranking(content.ranking, shown) for content in contents],
        letters=[desk.other_letters(each.order, shown) for each in annotations],
        decision=decision,
        decided_ranking=desk.words_of_ranking(decision.content["ranking"], shown) if decision else "",
        later=decision is not None and sorted(decision.revisions) != sorted(each.latest.id for each in annotations),
        shown=shown,
        second=contradiction.of_sample(session, seat, sample_id, shown),
        models={str(response.id): response.model for response in sample.responses},
        media=desk.viewer_items(seat, sample.media),
        is_video=any(medium.kind == "frame" for medium in sample.media),
        question_type=sample.question_type,
        rubric=seat.rubric,
        heats=comparison.heat_of_rows(annotations[0], annotations[1:], seat.rubric) if annotations else {},
        data={
            **desk.for_correction(seat, DraftContent.model_validate(start).model_dump(), shown, sample),
            "choices": adjudicating.choices(annotations),
            "consensus": common,
        },
        why_not="" if may is True else may,
        next_id=adjudicating.next_case(session, seat, sample_id),
    )


@router.post("/samples/{sample_id}/adjudication")
def decide(
    session: Db,
    seat: Reviewer,
    sample_id: int,
    content: Annotated[str, Form(max_length=400_000)],
    seen: Annotated[list[int], Form()],
    reason: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    try:
        decided = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadReview(_("The decision did not arrive as JSON."), "content") from None
    adjudicating.adjudicate(session, seat, sample_id, decided, reason, seen)
    following = adjudicating.next_case(session, seat, sample_id)
    at = f"/projects/{seat.project.slug}"
    return redirect(f"{at}/samples/{following}/adjudication" if following else f"{at}/adjudications")
