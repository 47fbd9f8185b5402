"""Datasets: their list, the form that freezes one, its page with every pair, and its downloads."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from app.accounts.log import audit
from app.core import storage
from app.core.db import Db, Session
from app.core.errors import NotFound
from app.core.html import page, redirect, wants_json
from app.core.language import gettext as _
from app.datasets import actions, browsing, export, folder, members, queries, reading, tallying, uses
from app.datasets.actions import CHOICE
from app.datasets.refusals import BadFreeze, NoPairs
from app.datasets.tables import Dataset
from app.datasets.voting import RULES, Choice
from app.projects.guard import Overseer, Researcher, Seat

router = APIRouter(prefix="/projects/{slug}/datasets")
Number = Annotated[int, Query(ge=0, lt=2**63)]
DatasetId = Annotated[int, Path(ge=1, lt=2**63)]
Share = Annotated[float, Query(allow_inf_nan=True)]
ONE = "/{dataset_id:int}"


@router.get("")
def list_page(request: Request, session: Db, seat: Overseer) -> Response:
    return page(request, "datasets/list.html", datasets=queries.datasets(session, seat))


def _asked(
    rule: Annotated[str, Query(max_length=40)] = CHOICE.rule,
    minimum: int = CHOICE.minimum,
    confidence: Share = CHOICE.confidence,
    waiting: bool = False,
    playground: bool = False,
) -> Choice:
    return Choice(rule, minimum, confidence, waiting, playground)


def _given(
    rule: Annotated[str, Form(max_length=40)] = CHOICE.rule,
    minimum: Annotated[int, Form()] = CHOICE.minimum,
    confidence: Annotated[float, Form()] = CHOICE.confidence,
    waiting: Annotated[bool, Form()] = False,
    playground: Annotated[bool, Form()] = False,
) -> Choice:
    return Choice(rule, minimum, confidence, waiting, playground)


@router.get("/new")
def new_page(
    request: Request,
    session: Db,
    seat: Researcher,
    choice: Annotated[Choice, Depends(_asked)],
    name: str = "",
    held_out_share: Share = 0.2,
    seed: int = 0,
) -> Response:
    """What would be frozen now, counted before anything is written."""
    return _form(request, session, seat, name, held_out_share, seed, choice)


def _form(
    request: Request,
    session: Session,
    seat: Seat,
    name: str,
    share: float,
    seed: int,
    choice: Choice,
    refusal: BadFreeze | NoPairs | None = None,
) -> Response:
    try:
        counts, left_out = actions.preview(session, seat, share, seed, choice)
        effects = tallying.effects(session, seat, choice)
    except BadFreeze as problem:
        refusal, counts, left_out, effects = problem, None, {}, []
    context = {"name": name, "share": share, "seed": seed, "counts": counts, "left_out": left_out}
    context |= {"choice": choice, "rules": RULES, "effects": effects}
    return page(request, "datasets/new.html", refusal.status if refusal else 200, refusal=refusal, **context)


@router.post("")
def freeze(
    request: Request,
    session: Db,
    seat: Researcher,
    name: Annotated[str, Form(max_length=1000)],
    choice: Annotated[Choice, Depends(_given)],
    held_out_share: Annotated[float, Form()] = 0.2,
    seed: Annotated[int, Form()] = 0,
) -> Response:
    try:
        dataset = actions.freeze(session, seat, name, held_out_share, seed, choice)
    except (BadFreeze, NoPairs) as refusal:
        if wants_json(request):
            raise
        return _form(request, session, seat, name, held_out_share, seed, choice, refusal)
    return redirect(f"/projects/{seat.project.slug}/datasets/{dataset.id}")


@router.get(ONE)
def dataset_page(
    request: Request,
    session: Db,
    seat: Overseer,
    dataset_id: DatasetId,
    split: Literal["", "train", "held_out"] = "",
    question_type: Annotated[str, Query(max_length=20)] = "",
    domain: Annotated[str, Query(max_length=20)] = "",
    after: Number = 0,
) -> Response:
    dataset = _whole(session, seat, dataset_id)
    filters = browsing.Filters(split, question_type, domain)
    groups, more = browsing.page_of(dataset.id, filters, after)
    # Datasets frozen before there was a choice kept accepted annotations by majority.
    chosen = dataset.settings.get("aggregation", {"rule": "accepted"})
    return page(
        request,
        "datasets/dataset.html",
        dataset=dataset,
        card=(storage.dataset_folder(dataset.id) / "card.md").read_text(encoding="utf-8"),
        groups=groups,
        thumbs=queries.first_media(session, seat, [group.sample_id for group in groups if group.sample_id]),
        filters=filters,
        after=after,
        more=more,
        uses=uses.uses_of(session, seat, dataset),
        lineage=uses.drawn(session, seat, dataset),
        rule=RULES[chosen["rule"]].title,
        how=folder.how_sentences(chosen),
        formats=export.FORMATS,
    )


def _whole(session: Session, seat: Seat, dataset_id: int) -> Dataset:
    dataset = queries.dataset(session, seat, dataset_id)
    if not (storage.dataset_folder(dataset.id) / "SHA256SUMS").is_file():
        raise NotFound(_("The files of this dataset are gone from the storage."), f"dataset {dataset_id}")
    return dataset


@router.get(ONE + "/download")
def download(
    session: Db,
    seat: Overseer,
    dataset_id: DatasetId,
    format: Annotated[str, Query(max_length=40)] = "mm-rlhf",
    scores: Number = 0,
) -> Response:
    """A ZIP, streamed. scores: the run whose margins become ls_factor; without one, the imported ones do."""
    dataset = _whole(session, seat, dataset_id)
    audit(session, seat.user, "dataset.exported", f"dataset {dataset.id}", seat.project.id, format=format)
    pieces = export.stream(dataset, format, _margins(session, seat, dataset, scores))
    headers = {"content-disposition": f'attachment; filename="{export.file_name(dataset, format)}"'}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def _margins(session: Session, seat: Seat, dataset: Dataset, run_id: int) -> members.Margins | None:
    if not run_id:
        return None
    for use in uses.uses_of(session, seat, dataset):
        if use.id == run_id and use.margins is not None:
            return reading.margins(use.margins)
    raise NotFound(_("This run has left no margins of this dataset."), f"run {run_id}")
