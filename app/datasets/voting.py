"""How several annotations of one sample become one order: four rules, each pair with its votes and its confidence.

Pure functions of contents; which annotations vote is decided by `queries.ballots`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.annotations.schemas import DraftContent
from app.core.language import N_
from app.datasets import pairs
from app.datasets.pairs import Pair
from app.quality.reliability import Reliability, posterior

Logs = npt.NDArray[np.float64]


class Rule(NamedTuple):
    """A way to make one order of several. takes: verdicts of the annotations that vote."""

    title: str
    sentence: str
    takes: tuple[str, ...]


ACCEPTED = ("accept", "correct")
RULES = {
    "adjudicated": Rule(
        N_("Decisions first"),
        N_(
            "Where a reviewer decided between annotators, that decision alone; elsewhere accepted annotations, "
            "a pair kept when more of them prefer it than oppose it."
        ),
        ACCEPTED,
    ),
    "accepted": Rule(
        N_("Accepted only"),
        N_("Accepted and corrected annotations alone; a pair is kept when more of them prefer it than oppose it."),
        ACCEPTED,
    ),
    "majority": Rule(
        N_("Majority with a minimum"),
        N_("Everybody's annotation votes; a pair is kept when enough people prefer it and they are more than half."),
        (*ACCEPTED, "adjudicate"),
    ),
    "weighted": Rule(
        N_("Weighted by reliability"),
        N_(
            "Everybody's annotation votes, and weighs as much as its author has proved reliable (Dawid and Skene's "
            "model); a pair is kept when it is likely enough to be right."
        ),
        (*ACCEPTED, "adjudicate"),
    ),
}


class Choice(NamedTuple):
    """minimum: votes for a pair, of the rule majority; confidence: of weighted; waiting: also without a verdict;
    playground: votes of the playground too."""

    rule: str = "adjudicated"
    minimum: int = 2
    confidence: float = 0.75
    waiting: bool = False
    playground: bool = False

    @property
    def takes(self) -> tuple[str | None, ...]:
        return (*RULES[self.rule].takes, *([None] if self.waits else []))

    @property
    def waits(self) -> bool:
        return self.waiting and self.rule in ("majority", "weighted")

    def as_settings(self) -> dict[str, Any]:
        """Only what the rule looks at."""
        found: dict[str, Any] = {"rule": self.rule}
        if self.rule == "majority":
            found["minimum"] = self.minimum
        if self.rule == "weighted":
            found["confidence"] = self.confidence
        chosen = {"waiting": self.waits, "playground": self.playground}
        return found | {name: True for name, is_chosen in chosen.items() if is_chosen}


class Voter(NamedTuple):
    """One annotation, or one decision, that could judge. author: "a7" for annotation 7, "d5" for decision 5."""

    author: str
    content: DraftContent
    weight: float = 1.0
    """The author's reliability, 0 to 1, for the rule weighted."""
    evidence: Logs | None = None
    """[true, said] log-likelihoods, for the rule weighted."""


class Vote(NamedTuple):
    """A pair with what people said of it. confidence: share of the votes, or the chance that it is right."""

    pair: Pair
    votes_for: int
    against: int
    tied: int
    confidence: float


class Outcome(NamedTuple):
    """The pairs that are kept, in order, and how many fell, by the reason."""

    kept: list[Vote]
    fallen: Counter[str]


def decide(voters: Sequence[Voter], choice: Choice, prior: Logs) -> Outcome:
    """What the voters of one sample come to. prior: [3], how frequent outcomes are, for the rule weighted."""
    preferred = [set(pairs.pairs_of(voter.content, voter.author)) for voter in voters]
    known = [_ranked(voter) for voter in voters]
    found = Outcome([], Counter())
    seen = set[Pair]()
    for pair in sorted({pair for each in preferred for pair in each}):
        turned = Pair(pair.rejected, pair.chosen)
        if turned in seen:
            continue
        seen.add(pair)
        said = [
            (voter, 1 if pair in own else -1 if turned in own else 0)
            for voter, own, ranked in zip(voters, preferred, known, strict=True)
            if pair.chosen in ranked and pair.rejected in ranked
        ]
        vote = _counted(pair, said, choice, prior)
        reason = _why_not(vote, choice)
        if reason:
            found.fallen[reason] += 1
        else:
            found.kept.append(vote)
    return Outcome(sorted(found.kept), found.fallen)


def _ranked(voter: Voter) -> set[str]:
    """What this voter has put in an order, with what they wrote themselves."""
    own = {pairs.key_of(response) for group in voter.content.ranking for response in group}
    written = ((voter.content.positive, pairs.positive_key), (voter.content.negative, pairs.negative_key))
    return own | {key(voter.author) for text, key in written if text is not None}


def _counted(pair: Pair, said: list[tuple[Voter, int]], choice: Choice, prior: Logs) -> Vote:
    """The pair in the direction that prevails."""
    ways = Counter(way for _, way in said)
    if choice.rule == "weighted":
        logs = np.log(prior) + sum(np.asarray(voter.evidence)[:, way + 1] for voter, way in said)
        worse, _, better = posterior(np.asarray(logs))
    else:
        worse, better = ways[-1] / len(said), ways[1] / len(said)
    if worse > better:
        return Vote(Pair(pair.rejected, pair.chosen), ways[-1], ways[1], ways[0], round(float(worse), 4))
    return Vote(pair, ways[1], ways[-1], ways[0], round(float(better), 4))


def _why_not(vote: Vote, choice: Choice) -> str:
    """Empty where the pair is kept."""
    if choice.rule == "weighted":
        return "" if vote.confidence >= choice.confidence else "pairs_not_sure_enough"
    if vote.votes_for <= vote.against:
        return "pairs_without_majority"
    if choice.rule == "majority":
        if vote.votes_for < choice.minimum:
            return "pairs_with_too_few_votes"
        if vote.votes_for <= vote.against + vote.tied:
            return "pairs_without_majority"
    return ""


def voter(
    author: str, content: dict[str, Any], user: int, by_reviewer: bool, learnt: Reliability | None
) -> Voter | None:
    """A ballot's content as a voter, None where it could not judge. by_reviewer: a correction or a decision."""
    judged = DraftContent.model_validate(content)
    if judged.cannot_judge is not None:
        return None
    if learnt is None:
        return Voter(author, judged)
    # What a reviewer wrote weighs as much as the most reliable annotator's word.
    evidence = learnt.evidence(user, best=by_reviewer)
    right = float((np.exp(np.diagonal(evidence)) * learnt.prior).sum())
    return Voter(author, judged, right, evidence)
