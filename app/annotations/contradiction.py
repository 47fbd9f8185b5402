"""How far a reward model contradicts a ranking, for reviewers: either may be wrong, and there it is worth a look.

Rewards are of a Bradley–Terry model: it gives the order "a before b" the chance σ(r_a − r_b). The contradiction of a
ranking is the mean chance of the opposite over its ordered pairs: 0 where it agrees by far, ½ where it has no opinion,
1 where it is sure of the reverse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, groupby, product
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.annotations.desk import Reply
from app.annotations.tables import Annotation, Review, Revision
from app.core.db import Session
from app.projects.guard import Seat
from app.samples import assessments
from app.samples.tables import Assessment, Offer

STRONG = 0.75
"""From here on an annotation is marked: three to one against its average pair."""

OPEN_AGAIN = ("return", "reannotate")
"""Verdicts after which an annotation may be in its annotator's hands again: returned, or set aside, which can be
undone."""


class Contradiction(NamedTuple):
    """pairs: ordered pairs of which both responses are assessed; against: those that the model orders otherwise."""

    value: float
    pairs: int
    against: int

    @property
    def is_strong(self) -> bool:
        return self.value >= STRONG


def of(ranking: Sequence[Sequence[str]], rewards: Mapping[str, float]) -> Contradiction | None:
    """ranking: groups of response ids, the best first. None where no ordered pair is assessed."""
    chances = [
        sigmoid(rewards[worse] - rewards[better])
        for first, second in combinations(ranking, 2)
        for better, worse in product(first, second)
        if better in rewards and worse in rewards
    ]
    if not chances:
        return None
    return Contradiction(sum(chances) / len(chances), len(chances), sum(chance > 0.5 for chance in chances))


def sigmoid(difference: float) -> float:
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, difference))))


class Assessed(NamedTuple):
    """A reply as the reward model sees it. place: 1 for its highest reward among those shown."""

    letter: str
    reward: float
    place: int
    critique: str


class Second(NamedTuple):
    """What a reviewer reads of the reward model about one annotation."""

    run: int
    replies: list[Assessed]
    against: Contradiction | None
    uncertainty: float | None

    @property
    def order(self) -> str:
        """The letters by reward, as a ranking is written: A > C = B."""
        placed = sorted(self.replies, key=lambda each: (each.place, each.letter))
        groups = [[each.letter for each in tied] for _place, tied in groupby(placed, key=lambda each: each.place)]
        return " > ".join(" = ".join(letters) for letters in groups)


def beside(session: Session, seat: Seat, annotation: Annotation, shown: Sequence[Reply]) -> Second | None:
    """None where nothing is offered, or where the seat may not be told yet."""
    found = of_sample(session, seat, annotation.sample_id, shown)
    if found is None:
        return None
    letters = {reply.letter: reply.id for reply in shown}
    rewards = {letters[each.letter]: each.reward for each in found.replies}
    return found._replace(against=of(annotation.latest.content["ranking"], rewards))


def of_sample(session: Session, seat: Seat, sample_id: int, shown: Sequence[Reply]) -> Second | None:
    """What the model says of a judged sample, against nobody's ranking."""
    offered = assessments.standing(session, seat.project.id)
    found = assessments.of_sample(session, offered, sample_id)
    may_read = sa.select(is_told(seat)).select_from(Annotation).where(Annotation.sample_id == sample_id).limit(1)
    if offered is None or not found or not session.scalar(may_read):
        return None
    given = {str(response): each for response, each in found.items()}
    order = sorted((given[reply.id].reward for reply in shown if reply.id in given), reverse=True)
    replies = [_assessed(reply, given[reply.id], order) for reply in shown if reply.id in given]
    return Second(offered.run_id, replies, None, assessments.uncertainty(session, offered, sample_id))


def _assessed(reply: Reply, each: Assessment, order: list[float]) -> Assessed:
    return Assessed(reply.letter, each.reward, order.index(each.reward) + 1, each.critique)


def is_told(seat: Seat) -> sa.ColumnElement[bool]:
    """Whether the seat may read the model's opinion on an annotation's sample.

    Not who may still be given the sample, nor who may still change what they said of it: a submission can be taken
    back for a minute and revised until a reviewer has judged it, and one that was returned is to be made again.
    """
    if "annotator" not in seat.roles:
        return sa.true()
    own, said, newer = aliased(Annotation), aliased(Revision), aliased(Revision)
    later = sa.exists().where(newer.annotation_id == said.annotation_id, newer.number > said.number)
    settled = sa.and_(Review.reviewer_id.is_not(None), Review.verdict.not_in(OPEN_AGAIN))
    mine = sa.and_(own.sample_id == Annotation.sample_id, own.user_id == seat.user.id)
    return sa.exists().where(mine, said.annotation_id == own.id, ~later, Review.revision_id == said.id, settled)


def expression(run_id: int | None = None) -> sa.ColumnElement[float]:
    """The same figure in SQL, of the outer query's annotation; null where `of` gives None.

    run_id: by which run; without it, by the one that is offered to the reviewers of the annotation's project.
    """
    run = _STANDING if run_id is None else str(int(run_id))
    return sa.literal_column(f"({_SQL.replace(':run', run)})", sa.Float)


def is_strong(run_id: int) -> sa.ColumnElement[bool]:
    return expression(run_id) >= STRONG


_STANDING = "(SELECT run_id FROM offers WHERE project_id = annotations.project_id AND withdrawn_at IS NULL)"


_SQL = """
SELECT avg(1 / (1 + exp(least(greatest(better.reward - worse.reward, -50), 50)))) AS value
FROM revisions AS said
CROSS JOIN LATERAL jsonb_array_elements(said.content -> 'ranking') WITH ORDINALITY AS one (ids, place)
CROSS JOIN LATERAL jsonb_array_elements(said.content -> 'ranking') WITH ORDINALITY AS two (ids, place)
CROSS JOIN LATERAL jsonb_array_elements_text(one.ids) AS first (id)
CROSS JOIN LATERAL jsonb_array_elements_text(two.ids) AS second (id)
JOIN assessments AS better ON better.run_id = :run
  AND better.response_id = CASE WHEN first.id ~ '^[0-9]{1,18}$' THEN first.id::bigint END
JOIN assessments AS worse ON worse.run_id = :run
  AND worse.response_id = CASE WHEN second.id ~ '^[0-9]{1,18}$' THEN second.id::bigint END
WHERE said.annotation_id = annotations.id AND one.place < two.place
  AND said.number = (SELECT max(newest.number) FROM revisions AS newest WHERE newest.annotation_id = annotations.id)
"""


def order_of(offered: Offer | None, seat: Seat) -> Any:
    """What `looking` orders by, most contradicted first; −1 where nothing is known, or not to be known by the seat."""
    return sa.literal(-1.0) if offered is None else told(seat, sa.func.coalesce(expression(offered.run_id), -1.0))


def told(seat: Seat, value: Any) -> Any:
    """A figure of the model's opinion as the seat may know it, also by the order of a list: −1 where it may not."""
    return value if "annotator" not in seat.roles else sa.case((is_told(seat), value), else_=-1.0)
