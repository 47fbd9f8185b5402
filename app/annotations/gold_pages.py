"""Gold for admins; practice for annotators: worked examples that answer at once and store nothing."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import joinedload, selectinload

from app.annotations import desk, queries, ranking
from app.annotations.desk import Reply
from app.core.db import Db, Session
from app.core.errors import NotFound
from app.core.html import page, redirect
from app.core.language import gettext as _
from app.projects.guard import Admin, Annotator, Seat
from app.samples import queries as samples
from app.samples.shapes import ranks_of
from app.samples.sources import BadLine
from app.samples.tables import Sample
from app.tasks import gold
from app.tasks.record_tables import USES, Gold, GoldCheck
from app.tasks.refusals import BadGold

router = APIRouter(prefix="/projects/{slug}")
Marks = Annotated[list[str], Form(max_length=200)]
Order = Annotated[str, Form(max_length=200)]
Scores = dict[str, dict[str, int]]


@router.get("/gold")
def list_gold(request: Request, session: Db, seat: Admin) -> Response:
    return page(request, "annotations/gold.html", rows=_rows(session, seat), uses=USES)


def _rows(session: Session, seat: Seat) -> list[tuple[Gold, int, int]]:
    """Each gold with how many met it, of how many; the newest first."""
    query = (
        sa.select(Gold, sa.func.count().filter(GoldCheck.passed), sa.func.count(GoldCheck.task_id))
        .options(joinedload(Gold.sample).selectinload(Sample.media), joinedload(Gold.author))
        .outerjoin(GoldCheck, GoldCheck.gold_id == Gold.id)
        .where(Gold.project_id == seat.project.id)
        .group_by(Gold.id)
        .order_by(Gold.retired_at.is_not(None), Gold.id.desc())
    )
    return [(row, met, made) for row, met, made in session.execute(query).unique()]


@router.get("/samples/{sample_id}/gold")
def gold_form(
    request: Request,
    session: Db,
    seat: Admin,
    sample_id: int,
    annotation: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """A form, filled in from an annotation where one is named."""
    sample = samples.sample(session, seat, sample_id)
    shown = desk.replies(sample, [response.id for response in sample.responses])
    content: dict[str, Any] = {}
    if annotation:
        row = queries.annotation(session, seat, annotation)
        if row.sample_id != sample.id:
            raise NotFound(where="annotation")
        content = row.latest.content
    return page(
        request,
        "annotations/gold_form.html",
        sample=sample,
        shown=shown,
        media=desk.viewer_items(seat, sample.media),
        rubric=seat.rubric,
        scores=content.get("scores", {}),
        order=desk.words_of_ranking(content.get("ranking", []), shown),
        reason=content.get("rank_reason", ""),
        annotations=queries.of_sample(session, sample.id),
        uses=USES,
    )


@router.post("/samples/{sample_id}/gold")
def make_gold(
    session: Db,
    seat: Admin,
    sample_id: int,
    use: Annotated[str, Form(max_length=20)],
    mark: Marks = [],  # noqa: B006  (FastAPI copies it)
    order: Order = "",
    tolerance: Annotated[int, Form(ge=0, le=4)] = 1,
    reason: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """mark: "<response>.<criterion>.<score>" of every expected score, empty where any will do."""
    sample = samples.sample(session, seat, sample_id)
    shown = desk.replies(sample, [response.id for response in sample.responses])
    pairs = ranking.pairs(ranking.read(order, shown, whole=False))
    gold.make(session, seat, sample_id, use, _scores(mark), pairs, tolerance, reason)
    return redirect(f"/projects/{seat.project.slug}/gold")


def _scores(marks: list[str]) -> Scores:
    """Raises BadGold."""
    found: Scores = {}
    for mark in filter(None, marks):
        response, _dot, rest = mark.partition(".")
        key, _dot, score = rest.partition(".")
        if not score.isdigit() or len(score) > 1:
            raise BadGold(_("A score is 1 to 5 on a criterion of this project."), "mark")
        found.setdefault(response, {})[key] = int(score)
    return found


@router.post("/gold/{gold_id}/retirement")
def retire(session: Db, seat: Admin, gold_id: int) -> Response:
    gold.retire(session, seat, gold_id)
    return redirect(f"/projects/{seat.project.slug}/gold")


@router.get("/practice")
def practice(request: Request, session: Db, seat: Annotator) -> Response:
    found = _examples(session, seat)
    if not found:
        return page(request, "annotations/no_practice.html")
    return redirect(f"/projects/{seat.project.slug}/practice/{found[0]}")


def _examples(session: Session, seat: Seat) -> list[int]:
    query = sa.select(Gold.id).where(
        Gold.project_id == seat.project.id, Gold.use == "practice", Gold.retired_at.is_(None)
    )
    return list(session.scalars(query.order_by(Gold.id)))


@router.get("/practice/{gold_id}")
def practise(request: Request, session: Db, seat: Annotator, gold_id: int) -> Response:
    return _practice_page(request, session, seat, gold_id, {}, "", None)


@router.post("/practice/{gold_id}")
def check_practice(
    request: Request,
    session: Db,
    seat: Annotator,
    gold_id: int,
    mark: Marks = [],  # noqa: B006
    order: Order = "",
) -> Response:
    """What was met and what was not, with the right answer and its reason. Nothing is stored."""
    example = _example(session, seat, gold_id)
    shown = _shown(example)
    given = _scores(mark)
    outcome = gold.compare(example, given, ranking.read(order, shown))
    return _practice_page(request, session, seat, gold_id, given, order, outcome)


def _example(session: Session, seat: Seat, gold_id: int) -> Gold:
    """A worked example that is open to annotators; other gold is not theirs to see. Raises NotFound."""
    row = session.scalar(
        sa.select(Gold)
        .options(joinedload(Gold.sample).options(selectinload(Sample.media), selectinload(Sample.responses)))
        .filter_by(id=gold_id, project_id=seat.project.id, use="practice", retired_at=None)
    )
    if row is None:
        raise NotFound(where="practice")
    return row


def _shown(example: Gold) -> list[Reply]:
    return desk.replies(example.sample, [response.id for response in example.sample.responses])


def _expected(shown: list[Reply], pairs: list[list[str]]) -> str:
    """What is better than what, in letters: one ranking where the pairs make one, else pair by pair."""
    ids, letters = [reply.id for reply in shown], {reply.id: reply.letter for reply in shown}
    try:
        ranks = ranks_of(len(ids), {(ids.index(better), ids.index(worse)) for better, worse in pairs})
    except BadLine:
        return ", ".join(f"{letters[better]} > {letters[worse]}" for better, worse in pairs)
    groups = [[each for each, rank in zip(ids, ranks, strict=True) if rank == at] for at in sorted(set(ranks))]
    return desk.words_of_ranking(groups, shown) if pairs else ""


def _practice_page(
    request: Request,
    session: Session,
    seat: Seat,
    gold_id: int,
    given: Scores,
    order: str,
    outcome: gold.Outcome | None,
) -> Response:
    example = _example(session, seat, gold_id)
    shown = _shown(example)
    examples = _examples(session, seat)
    place = examples.index(gold_id)
    missed = {miss["place"] for miss in outcome.misses} if outcome else set()
    return page(
        request,
        "annotations/practice.html",
        example=example,
        sample=example.sample,
        shown=shown,
        media=desk.viewer_items(seat, example.sample.media),
        rubric=seat.rubric,
        given=given,
        order=order,
        outcome=outcome,
        missed=missed,
        expected_pairs=_expected(shown, example.pairs),
        number=place + 1,
        many=len(examples),
        next_id=examples[place + 1] if place + 1 < len(examples) else None,
    )
