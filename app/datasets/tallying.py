"""Ballots into decided samples, and what each rule would make of them, in numbers, before anything is frozen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from app.core.db import Session
from app.datasets import queries, voting
from app.datasets.pairs import Pair
from app.datasets.queries import Ballot, Ballots
from app.datasets.voting import RULES, Choice, Outcome, Voter
from app.projects.guard import Seat
from app.quality import reports
from app.quality.reliability import Reliability

EVEN = np.full(3, 1 / 3)


def taken(session: Session, seat: Seat, choice: Choice) -> tuple[Ballots, Reliability | None]:
    """What votes under the choice, and everybody's reliability where it is asked for."""
    ballots = queries.ballots(session, seat.project.id, choice.takes, decisions=choice.rule == "adjudicated")
    learnt = reports.learnt(reports.of(session, seat)) if choice.rule == "weighted" else None
    return ballots, learnt


def decided(
    session: Session, rows: list[Ballot], choice: Choice, learnt: Reliability | None
) -> Iterator[tuple[int, list[Voter], Outcome]]:
    """Each sample's voters and outcome, a batch of contents in memory at a time."""
    for batch in queries.by_sample(rows):
        contents = queries.contents(session, [row for ballots in batch for row in ballots])
        for ballots in batch:
            found = [_voter(row, contents, learnt) for row in ballots]
            voters = [each for each in found if each is not None]
            prior = EVEN if learnt is None else learnt.prior
            yield ballots[0].sample_id, voters, voting.decide(voters, choice, prior)


def _voter(row: Ballot, contents: dict[str, dict[str, object]], learnt: Reliability | None) -> Voter | None:
    by_reviewer = row.verdict in (queries.DECISION, "correct")
    return voting.voter(row.author, contents[row.author], row.user_id, by_reviewer, learnt)


class Effect(NamedTuple):
    """What a rule would make of the project. alike: pairs that the chosen rule has too, in the same order."""

    rule: str
    samples: int
    pairs: int
    annotations: int
    confidence: float | None
    """The mean of the pairs'."""
    fallen: int
    """Pairs of unlike rank that the rule does not keep."""
    alike: int
    turned: int
    """Pairs that the chosen rule has the other way round."""


def effects(session: Session, seat: Seat, choice: Choice) -> list[Effect]:
    """Every rule in numbers, beside the chosen one; kept until something is judged, reviewed or undone."""
    kept = reports.of(session, seat)
    return kept.once(("effects", choice), lambda: _effects(session, seat, choice))


def _effects(session: Session, seat: Seat, choice: Choice) -> list[Effect]:
    found = {rule: _tallied(session, seat, choice._replace(rule=rule)) for rule in RULES}
    chosen = found[choice.rule].pairs
    return [
        Effect(
            rule,
            len(tally.samples),
            len(tally.pairs),
            tally.annotations,
            sum(tally.pairs.values()) / len(tally.pairs) if tally.pairs else None,
            tally.fallen.total(),
            len(tally.pairs.keys() & chosen.keys()),
            sum(Pair(pair.rejected, pair.chosen) in chosen for pair in tally.pairs),
        )
        for rule, tally in found.items()
    ]


class _Tally(NamedTuple):
    samples: set[int]
    pairs: dict[Pair, float]
    fallen: Counter[str]
    annotations: int


def _tallied(session: Session, seat: Seat, choice: Choice) -> _Tally:
    ballots, learnt = taken(session, seat, choice)
    samples, pairs, fallen, annotations = set[int](), dict[Pair, float](), Counter[str](), 0
    for sample_id, voters, outcome in decided(session, ballots.rows, choice, learnt):
        annotations += len(voters)
        fallen += outcome.fallen
        pairs |= {vote.pair: vote.confidence for vote in outcome.kept}  # a response's key is its project's alone
        samples |= {sample_id} if outcome.kept else set()
    return _Tally(samples, pairs, fallen, annotations)
