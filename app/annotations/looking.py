"""What a reviewer looks through: a list of annotations in one state, narrowed and ordered, by pages and one by one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased, joinedload, selectinload

from app.annotations.contradiction import STRONG, is_strong, is_told, order_of, told
from app.annotations.disagreement import level
from app.annotations.selecting import BY_MODEL, NOTHING, is_flagged
from app.annotations.tables import BY_RULE, STATES, Annotation, Disagreement, Review, Revision, Waiting
from app.core.db import Session
from app.core.language import N_
from app.projects.guard import Seat
from app.samples import assessments
from app.samples.tables import Offer, Sample, Uncertainty

PAGE = 50
State = Literal[
    "waiting", "unselected", "accepted", "by_rule", "corrected", "returned", "rejected", "adjudicated", "set_aside"
]
Order = Literal["oldest", "newest", "disagreement", "contradiction", "uncertainty"]
MODEL = "model"
"""Among the flags: what the offered reward model contradicts strongly."""
WORDS: dict[str, str] = {"unselected": N_("not selected"), "by_rule": BY_RULE, "set_aside": N_("set aside")}
"""States whose name in addresses is not what people read."""

_apart = sa.func.coalesce(Disagreement.value, -1.0)
"""Samples that only one person judged come last."""
_unsure = sa.func.coalesce(Uncertainty.value, -1.0)
"""So do samples that the reward model has not scored."""


@dataclass(frozen=True)
class Look:
    """Filters and order. flag: a kind, "any" or MODEL; why: a rule that selected it; above: least disagreement."""

    state: State = "waiting"
    order: Order = "oldest"
    annotator: int = 0
    flag: str = ""
    why: str = ""
    above: float = 0.0

    def address(self, **changes: Any) -> str:
        """The look as a query string, without what is as by default."""
        look, plain = replace(self, **changes), Look()
        given = {f.name: getattr(look, f.name) for f in fields(look) if getattr(look, f.name) != getattr(plain, f.name)}
        return urlencode(given)

    @property
    def narrowed(self) -> bool:
        return self.address(state="waiting", order="oldest") != ""


class Place(NamedTuple):
    """Where a line stands in an order: what it is ordered by (−1 for none) and its annotation's id."""

    value: float
    annotation: int

    def __str__(self) -> str:
        return f"{self.value!r}:{self.annotation}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        value, _, annotation = text.partition(":")
        try:
            place = cls(float(value), int(annotation))
        except ValueError:
            return None
        return place if abs(place.annotation) < 2**63 else None


class Line(NamedTuple):
    """One line of a list of annotations."""

    annotation: Annotation
    others: int
    disagreement: float | None
    contradiction: float
    """By the reward model that is offered; −1 where it has no opinion."""
    uncertainty: float
    """Of that model between the sample's responses; −1 where it scored fewer than two."""
    is_told: bool
    """Whether who looks may read what the model says of it."""
    why: list[str]
    order: Order

    @property
    def heat(self) -> int | None:
        return None if self.disagreement is None else level(self.disagreement)

    @property
    def is_contradicted(self) -> bool:
        return self.is_told and self.contradiction >= STRONG

    @property
    def place(self) -> Place:
        apart = -1.0 if self.disagreement is None else self.disagreement
        values = {"contradiction": self.contradiction, "uncertainty": self.uncertainty}
        return Place(values.get(self.order, apart), self.annotation.id)


def lines(session: Session, seat: Seat, look: Look, after: Place | None = None, limit: int = PAGE) -> list[Line]:
    """The annotations looked for that come after a place. By keys: a page deep down costs what the first does."""
    others = aliased(Annotation)
    beside = (
        sa.select(sa.func.count())
        .where(others.sample_id == Annotation.sample_id, others.id != Annotation.id)
        .scalar_subquery()
    )
    offered = assessments.standing(session, seat.project.id)
    value = _value(look.order, offered, seat)
    query = _after(_looked_for(seat, look, offered), look.order, value, after)
    query = query.order_by(*_ordered(look.order, value)).limit(limit)
    whole = [
        joinedload(Annotation.user),
        joinedload(Annotation.sample).selectinload(Sample.media),
        selectinload(Annotation.revisions).joinedload(Revision.review),
    ]
    figures = (Disagreement.value, order_of(offered, seat), told(seat, _unsure))
    columns = (Annotation, beside, *figures, is_told(seat), _why(look, seat))
    rows = session.execute(query.with_only_columns(*columns).options(*whole))
    return [
        Line(each, many, apart, against, unsure, may_know, why, look.order)
        for each, many, apart, against, unsure, may_know, why in rows
    ]


def following(session: Session, seat: Seat, look: Look, annotation: Annotation) -> int | None:
    """The next one after an annotation that the seat may judge, going round to the start."""
    offered = assessments.standing(session, seat.project.id)
    value = _value(look.order, offered, seat)
    at = sa.select(value).select_from(Annotation).where(Annotation.id == annotation.id)
    own = session.scalar(_with_figures(at, offered))
    place = Place(-1.0 if own is None else own, annotation.id)
    query = _looked_for(seat, look, offered).with_only_columns(Annotation.id)
    query = query.where(Annotation.user_id != seat.user.id, Annotation.id != annotation.id)
    query = query.order_by(*_ordered(look.order, value)).limit(1)
    ahead: int | None = session.scalar(_after(query, look.order, value, place))
    return ahead or session.scalar(query)


def selected(session: Session, seat: Seat) -> int:
    """How many annotations wait for a reviewer."""
    return session.scalar(_of_waiting(seat, sa.func.count().filter(_chosen(seat) != NOTHING))) or 0


def why_waiting(session: Session, seat: Seat, annotation: Annotation) -> list[str]:
    """The rules that select an annotation for review; none where it has a verdict or is not selected."""
    return session.scalar(_of_waiting(seat, _chosen(seat)).where(Waiting.annotation_id == annotation.id)) or []


def _of_waiting(seat: Seat, *columns: Any) -> sa.Select[*tuple[Any, ...]]:
    query = sa.select(*columns).select_from(Waiting).where(Waiting.project_id == seat.project.id)
    return query if "annotator" not in seat.roles else query.join(Annotation, Annotation.id == Waiting.annotation_id)


def _chosen(seat: Seat) -> Any:
    """The rules that select an annotation, as the seat may know them.

    Without the one that goes by the reward model where its opinion is not for the seat: what waits by that rule alone
    would give it away by waiting.
    """
    if "annotator" not in seat.roles:
        return Waiting.why
    others = Waiting.why.op("-", return_type=JSONB())(sa.cast(BY_MODEL, sa.Text))
    return sa.case((is_told(seat), Waiting.why), else_=others)


def counts(session: Session, seat: Seat) -> dict[str, int]:
    """State → how many annotations are in it."""
    chosen, many = _chosen(seat) != NOTHING, sa.func.count()
    waiting, unselected = session.execute(_of_waiting(seat, many.filter(chosen), many.filter(~chosen))).one()
    by_rule = Review.reviewer_id.is_(None)
    query = _decided(sa.select(Review.verdict, by_rule, many), seat.project.id)
    rows = session.execute(query.group_by(Review.verdict, by_rule))
    decided = {"by_rule" if rule else STATES[verdict].replace(" ", "_"): many for verdict, rule, many in rows}
    names = ["accepted", "by_rule", "corrected", "returned", "rejected", "adjudicated", "set_aside"]
    return {"waiting": waiting, "unselected": unselected, **{name: decided.get(name, 0) for name in names}}


def _value(order: Order, offered: Offer | None, seat: Seat) -> Any:
    """What an order goes by, the greatest first."""
    return {"contradiction": order_of(offered, seat), "uncertainty": told(seat, _unsure)}.get(order, _apart)


def _looked_for(seat: Seat, look: Look, offered: Offer | None) -> sa.Select[*tuple[Any, ...]]:
    query: sa.Select[*tuple[Any, ...]] = sa.select(Annotation)
    if look.state in ("waiting", "unselected"):
        why = _chosen(seat)
        chosen = why != NOTHING if look.state == "waiting" else why == NOTHING
        query = query.join(Waiting, Waiting.annotation_id == Annotation.id)
        query = query.where(Waiting.project_id == seat.project.id, chosen)
    else:
        query = _decided(query, seat.project.id).where(_in_state(look.state))
    return _narrowed(_with_figures(query, offered), seat, look, offered)


def _with_figures(query: sa.Select[*tuple[Any, ...]], offered: Offer | None) -> sa.Select[*tuple[Any, ...]]:
    """Beside each annotation, how far people are apart over its sample, and how unsure the reward model is of it."""
    run = offered.run_id if offered else None
    unsure = sa.and_(Uncertainty.run_id == run, Uncertainty.sample_id == Annotation.sample_id)
    query = query.outerjoin(Disagreement, Disagreement.sample_id == Annotation.sample_id)
    return query.outerjoin(Uncertainty, unsure)


def _decided(query: sa.Select[*tuple[Any, ...]], project_id: int) -> sa.Select[*tuple[Any, ...]]:
    """The project's annotations whose latest revision has a verdict."""
    newer = aliased(Revision)
    later = sa.exists().where(newer.annotation_id == Revision.annotation_id, newer.number > Revision.number)
    query = query.select_from(Annotation).join(Revision, Revision.annotation_id == Annotation.id)
    return query.join(Review, Review.revision_id == Revision.id).where(Annotation.project_id == project_id, ~later)


def _in_state(state: State) -> sa.ColumnElement[bool]:
    if state == "by_rule":
        return Review.reviewer_id.is_(None)
    verdict = next(verdict for verdict, name in STATES.items() if name == WORDS.get(state, state))
    return sa.and_(Review.verdict == verdict, Review.reviewer_id.is_not(None))


def _narrowed(
    query: sa.Select[*tuple[Any, ...]], seat: Seat, look: Look, offered: Offer | None
) -> sa.Select[*tuple[Any, ...]]:
    if look.annotator:
        query = query.where(Annotation.user_id == look.annotator)
    if look.flag == MODEL:
        query = query.where(sa.and_(is_strong(offered.run_id), is_told(seat)) if offered else sa.false())
    elif look.flag:
        query = query.where(is_flagged("" if look.flag == "any" else look.flag))
    if look.why and look.state == "waiting":
        query = query.where(_chosen(seat).contains([look.why]))
    if look.above:
        query = query.where(Disagreement.value >= look.above)
    return query


def _why(look: Look, seat: Seat) -> Any:
    return _chosen(seat) if look.state in ("waiting", "unselected") else NOTHING


def _ordered(order: Order, value: Any) -> list[Any]:
    if order in ("disagreement", "contradiction", "uncertainty"):
        return [value.desc(), Annotation.id]
    return [Annotation.id.desc() if order == "newest" else Annotation.id]


def _after(
    query: sa.Select[*tuple[Any, ...]], order: Order, value: Any, place: Place | None
) -> sa.Select[*tuple[Any, ...]]:
    if place is None:
        return query
    if order == "newest":
        return query.where(Annotation.id < place.annotation)
    if order == "oldest":
        return query.where(Annotation.id > place.annotation)
    same = sa.and_(value == place.value, Annotation.id > place.annotation)
    return query.where(sa.or_(value < place.value, same))
