"""How far the reward model that is offered to reviewers agrees with people."""

from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core.db import Db, Session
from app.core.html import page
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.guard import Overseer, Seat
from app.quality import formulas, model_agreement, reports, sheets
from app.quality.columns import Columns
from app.quality.model_agreement import RANKING, Share, Votes
from app.quality.seats import Taker
from app.samples import assessments
from app.samples.tables import Offer

router = APIRouter()
By = Literal["type", "domain", "cluster", "week"]
RANKING_WORD = N_("Ranking")


class Part(NamedTuple):
    name: str
    shares: dict[str, Share]
    behind: dict[str, str]
    """What leads to the annotations of the part."""


@router.get("/reward-model")
def model_page(request: Request, session: Db, seat: Overseer, by: By = "type") -> Response:
    offered = assessments.standing(session, seat.project.id)
    whole, parts = _found(session, seat, offered, by)
    return page(
        request,
        "quality/reward_model.html",
        offered=offered,
        words=_words(seat),
        whole=whole,
        breakdown=parts,
        by=by,
        ways=reports.PARTS,
    )


@router.get("/reward-model.csv")
def model_sheet(session: Db, seat: Taker, by: By = "type") -> Response:
    """A line a part and measure; the first part is all samples."""
    whole, parts = _found(session, seat, assessments.standing(session, seat.project.id), by)
    lines = [Part(_("all samples"), whole, {}), *parts]
    rows = [[part.name, key, *share] for part in lines for key, share in part.shares.items()]
    return sheets.sheet("reward-model", ["part", "measure", "alike", "low", "high", "pairs"], rows)


def _words(seat: Seat) -> dict[str, str]:
    return {RANKING: RANKING_WORD} | {each.key: each.name for each in seat.rubric.criteria}


def _found(session: Session, seat: Seat, offered: Offer | None, by: str) -> tuple[dict[str, Share], list[Part]]:
    """Over all samples, and over each part of them; computed once until something is judged, or another run offered."""
    if offered is None:
        return {}, []
    kept = reports.of(session, seat)
    run = offered.run_id
    votes = kept.once(("votes", run), lambda: _votes(session, kept.columns, offered))
    whole = kept.once(("model", run), lambda: model_agreement.shares(votes, None, formulas.RESAMPLES))
    if by == "week":
        return whole, kept.once(("model", run, by), lambda: _weeks(session, kept.columns, offered))
    label = reports.labels(session, seat, kept, votes.samples, by)
    return whole, kept.once(("model", run, by, label.tobytes()), lambda: _parts(votes, label, by))


def _votes(session: Session, columns: Columns, offered: Offer) -> Votes:
    known = assessments.rewards(session, offered)
    return model_agreement.votes(columns, [response for response, _ in known], [reward for _, reward in known])


def _parts(votes: Votes, label: np.ndarray, by: str) -> list[Part]:  # type: ignore[type-arg]
    shares = {
        str(name): model_agreement.shares(votes, label == name, reports.FEWER) for name in np.unique(label) if name
    }
    return _not_empty([Part(name, share, {by: name}) for name, share in shares.items()])


def _weeks(session: Session, columns: Columns, offered: Offer) -> list[Part]:
    """Each annotation in the week in which it was submitted: people may change over time, and so may the responses."""
    week = reports.mondays(columns.at)
    parts = []
    for name in np.unique(week):
        votes = _votes(session, columns.where(week == name), offered)
        sunday = dt.date.fromisoformat(name) + dt.timedelta(days=6)
        shares = model_agreement.shares(votes, None, reports.FEWER)
        parts.append(Part(str(name), shares, {"since": str(name), "until": sunday.isoformat()}))
    return _not_empty(parts)


def _not_empty(parts: list[Part]) -> list[Part]:
    return [part for part in parts if any(share.pairs for share in part.shares.values())]
