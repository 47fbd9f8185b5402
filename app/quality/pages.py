"""Quality: how far the work is, how far people agree, and each annotator beside the project."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.core.db import Db
from app.core.html import page
from app.projects.guard import Seat, needs
from app.quality import agreement, people, queries
from app.quality.agreement import Figure, Judgement

router = APIRouter(prefix="/projects/{slug}/quality")
Watcher = Annotated[Seat, Depends(needs("admin", "reviewer"))]


@router.get("")
def quality_page(
    request: Request, session: Db, seat: Watcher, measure: Annotated[str, Query(max_length=60)] = "ranks"
) -> Response:
    judgements, works = queries.judgements(session, seat), queries.works(session, seat)
    names = queries.names(session, {work.user for work in works})
    measure = measure if measure in seat.rubric.keys else "ranks"
    taus = agreement.between(judgements, "ranks")
    return page(
        request,
        "quality/quality.html",
        rubric=seat.rubric,
        parts=queries.parts(session, seat),
        works=works,
        figures=figures(seat, judgements),
        measure=measure,
        names=names,
        cells=taus if measure == "ranks" else agreement.between(judgements, measure),
        persons=people.people(works, judgements, names, taus, seat.rubric.keys),
        overall=people.distribution(judgements, seat.rubric.keys),
        twice=judged_twice(judgements),
    )


def figures(seat: Seat, judgements: list[Judgement]) -> list[tuple[str, str, Figure]]:
    """Name, measure and figure: α of each criterion, then τ_b of the ranks."""
    alphas = [(each.name, "α", agreement.alpha_of(judgements, each.key)) for each in seat.rubric.criteria]
    return [*alphas, ("Ranks", "τ_b", agreement.tau_of(judgements))]


def judged_twice(judgements: list[Judgement]) -> int:
    """Samples that two or more people judged."""
    found: dict[int, int] = {}
    for judgement in judgements:
        found[judgement.sample] = found.get(judgement.sample, 0) + 1
    return sum(many > 1 for many in found.values())
