"""Quality: how far people agree, each annotator beside the project, and the annotations behind every figure."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.core.db import Db, Session, now
from app.core.errors import NotFound
from app.core.html import page
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.quality import agreement, charts, model_pages, people, queries, reports, sheets
from app.quality.reports import Filters
from app.quality.seats import Taker, Watcher

router = APIRouter(prefix="/projects/{slug}/quality")
router.include_router(model_pages.router)
Word = Annotated[str, Query(max_length=60)]
By = Literal["type", "domain", "cluster", "week"]
Id = Annotated[int, Query(ge=0, lt=2**63)]
PAGE = 50
MOST_IN_MATRIX = 40
"""People beyond whom a matrix is no longer looked at but downloaded."""


@router.get("")
def quality_page(request: Request, session: Db, seat: Watcher, measure: Word = "tau", by: By = "type") -> Response:
    kept = reports.of(session, seat)
    parts = queries.parts(session, seat)
    measure = _measure(seat, measure)
    cells = _cells(kept, measure)
    done, total = (sum(getattr(part, name) for part in parts["Type"]) for name in ("done", "total"))
    forecast = reports.forecast(session, seat, total - done)
    return page(
        request,
        "quality/quality.html",
        rubric=seat.rubric,
        parts=parts,
        done=done,
        total=total,
        annotations=len(kept.columns),
        waiting=int((kept.columns.state == "submitted").sum()),
        figures=reports.figures(kept, seat.rubric),
        breakdown=reports.parts(session, seat, kept, by),
        by=by,
        ways=reports.PARTS,
        measure=measure,
        names=queries.names(session, {user for pair in cells for user in pair}),
        cells=cells,
        most=MOST_IN_MATRIX,
        twice=len(reports.found(kept).samples),
        forecast=forecast,
        burn=charts.burn(forecast, total),
    )


def _measure(seat: Seat, measure: str) -> str:
    return measure if measure in (*seat.rubric.keys, "tau", "pairs", "kappa") else "tau"


def _cells(kept: Any, measure: str) -> dict[tuple[int, int], agreement.Figure]:
    found: dict[tuple[int, int], agreement.Figure] = kept.once(
        ("cells", measure), lambda: agreement.between(reports.found(kept), measure)
    )
    return found


@router.get("/agreement.csv")
def agreement_sheet(session: Db, seat: Taker, by: By = "type") -> Response:
    kept = reports.of(session, seat)
    return sheets.agreement(reports.figures(kept, seat.rubric), reports.parts(session, seat, kept, by))


@router.get("/matrix.csv")
def matrix_sheet(session: Db, seat: Taker, measure: Word = "tau") -> Response:
    cells = _cells(reports.of(session, seat), _measure(seat, measure))
    return sheets.matrix(cells, queries.names(session, {user for pair in cells for user in pair}))


@router.get("/people")
def people_page(request: Request, session: Db, seat: Watcher) -> Response:
    kept = reports.of(session, seat)
    persons = reports.persons(session, seat, kept)
    return page(
        request,
        "quality/people.html",
        persons=sorted(persons, key=lambda each: (-len(each.signs), each.name)),
        gold=queries.gold(session, seat),
        fewest=people.FEWEST,
        sure=people.SURE,
    )


@router.get("/people.csv")
def people_sheet(session: Db, seat: Taker) -> Response:
    return sheets.persons(reports.persons(session, seat, reports.of(session, seat)), queries.gold(session, seat))


@router.get("/people/{user_id:int}")
def person_page(request: Request, session: Db, seat: Watcher, user_id: int) -> Response:
    kept, person = _person(session, seat, user_id)
    own = kept.columns.of_user(user_id)
    beside = _beside(kept, user_id)
    return page(
        request,
        "quality/person.html",
        person=person,
        gold=queries.gold(session, seat).get(user_id, (0, 0)),
        rubric=seat.rubric,
        own=people.distribution(own),
        overall=people.distribution(kept.columns),
        winners=charts.winners(own),
        series=[charts.line(each) for each in reports.changes(session, seat, kept, user_id)],
        beside=beside,
        names=queries.names(session, beside),
        fewest=people.FEWEST,
    )


def _beside(kept: Any, user: int) -> dict[int, dict[str, agreement.Figure]]:
    """Somebody else → measure → figure over what both judged."""
    cells = {measure: _cells(kept, measure) for measure in ("tau", "pairs", "kappa")}
    others = [other for pair in cells["tau"] if user in pair for other in pair if other != user]
    return {
        other: {measure: found[min(user, other), max(user, other)] for measure, found in cells.items()}
        for other in others
    }


def _again(wanted: Filters) -> dict[str, Any]:
    """The filters in the words of the page that has a set annotated again; empty where it cannot say them."""
    words = {"annotator": "annotator", "type": "question_type", "domain": "domain", "since": "since", "until": "until"}
    if not wanted.given or not wanted.given.keys() <= words.keys():
        return {}
    return {words[name]: value for name, value in wanted.given.items()}


def _person(session: Session, seat: Seat, user_id: int) -> tuple[Any, people.Person]:
    kept = reports.of(session, seat)
    for person in reports.persons(session, seat, kept):
        if person.user == user_id:
            return kept, person
    raise NotFound(_("Nobody with this number has annotated in this project."), f"annotator {user_id}")


@router.get("/people/{user_id:int}.csv")
def person_sheet(session: Db, seat: Taker, user_id: int) -> Response:
    kept, _ = _person(session, seat, user_id)
    return sheets.changes(f"annotator-{user_id}", reports.changes(session, seat, kept, user_id))


@router.get("/people/{user_id:int}/habits.csv")
def habits_sheet(session: Db, seat: Taker, user_id: int) -> Response:
    """The tables of the person's page: scores, places, what decides besides the judgement."""
    kept, person = _person(session, seat, user_id)
    own = kept.columns.of_user(user_id)
    spread = (people.distribution(own), people.distribution(kept.columns))
    return sheets.habits(f"annotator-{user_id}-habits", person, *spread, charts.winners(own))


@router.get("/people/{user_id:int}/beside.csv")
def beside_sheet(session: Db, seat: Taker, user_id: int) -> Response:
    """The person beside each other annotator, by each measure."""
    kept, _ = _person(session, seat, user_id)
    beside = _beside(kept, user_id)
    return sheets.beside(f"annotator-{user_id}-beside-others", beside, queries.names(session, beside))


def _filters(
    annotator: Id = 0,
    beside: Id = 0,
    type: Word = "",
    domain: Word = "",
    cluster: Annotated[str, Query(max_length=200)] = "",
    week: Word = "",
    state: Word = "",
    criterion: Word = "",
    level: Annotated[int, Query(ge=0, le=5)] = 0,
    twice: bool = False,
    straight: bool = False,
    gold: bool = False,
    reviewed: bool = False,
    since: dt.date | None = None,
    until: dt.date | None = None,
) -> Filters:
    judged = (annotator, beside, type, domain, cluster, week, state, criterion, level)
    return Filters(*judged, twice, straight, gold, reviewed, since, until)


@router.get("/annotations.csv")
def behind_sheet(session: Db, seat: Taker, wanted: Annotated[Filters, Depends(_filters)]) -> Response:
    ids = reports.behind(session, seat, reports.of(session, seat), wanted)
    return sheets.behind(queries.lines(session, seat, ids))


@router.get("/progress.csv")
def progress_sheet(session: Db, seat: Taker) -> Response:
    return sheets.days(reports.forecast(session, seat, 0))


@router.get("/progress-by-part.csv")
def parts_sheet(session: Db, seat: Taker) -> Response:
    return sheets.progress(queries.parts(session, seat))


@router.get("/annotations")
def behind_page(
    request: Request, session: Db, seat: Watcher, wanted: Annotated[Filters, Depends(_filters)], after: Id = 0
) -> Response:
    """The annotations behind a figure; the filters are those of the link that led here."""
    ids = reports.behind(session, seat, reports.of(session, seat), wanted)
    return page(
        request,
        "quality/behind.html",
        rows=queries.listed(session, seat, ids[after : after + PAGE]),
        many=len(ids),
        after=after,
        more=after + PAGE if after + PAGE < len(ids) else None,
        wanted=wanted.given,
        again=_again(wanted),
        names=queries.names(session, [wanted.annotator, wanted.beside]),
        rubric=seat.rubric,
        today=now().date(),
    )
