"""What several people's judgements of one sample have in common. Pure functions of contents.

Where they contradict each other nothing is made up: the place stays empty, for somebody to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from app.annotations.schemas import DraftContent


def consensus(contents: Sequence[DraftContent], responses: Sequence[str], criteria: Sequence[str]) -> DraftContent:
    """The scores and the order that a majority gives; texts from whoever is nearest to them."""
    judging = [content for content in contents if content.cannot_judge is None]
    if not judging:
        return contents[0].model_copy(deep=True) if contents else DraftContent()
    scores = {each: _scores(judging, each, criteria) for each in responses}
    ranking = _ranking(judging, responses)
    nearest = min(judging, key=lambda content: _distance(content, scores, ranking))
    tie = len(ranking) == 1
    return DraftContent(
        scores=scores,
        reasons=dict(nearest.reasons),
        ranking=ranking,
        tie=tie,
        rank_reason=nearest.rank_reason if nearest.ranking == ranking else "",
        positive=nearest.positive if tie else None,
        negative=nearest.negative if tie else None,
    )


def _scores(contents: Sequence[DraftContent], response: str, criteria: Sequence[str]) -> dict[str, int]:
    found = {
        key: _median([c.scores[response][key] for c in contents if key in c.scores.get(response, {})])
        for key in criteria
    }
    return {key: score for key, score in found.items() if score is not None}


def _median(marks: list[int]) -> int | None:
    """The middle mark; None where the two in the middle differ."""
    if not marks:
        return None
    marks = sorted(marks)
    low, high = marks[(len(marks) - 1) // 2], marks[len(marks) // 2]
    return low if low == high else None


def _ranking(contents: Sequence[DraftContent], responses: Sequence[str]) -> list[list[str]]:
    """The weak order that more people hold than its contrary, for each pair; empty where there is no such order."""
    better = {(a, b): _majority(contents, a, b) for a, b in combinations(responses, 2)}
    if any(each is None for each in better.values()):
        return []
    wins = dict.fromkeys(responses, 0)
    for (a, b), sign in better.items():
        wins[a] += sign or 0
        wins[b] -= sign or 0
    levels = sorted(set(wins.values()), reverse=True)
    ranking = [[each for each in responses if wins[each] == level] for level in levels]
    places = {each: place for place, group in enumerate(ranking) for each in group}
    fits = all(_sign(places[b] - places[a]) == sign for (a, b), sign in better.items())
    return ranking if fits else []


def _majority(contents: Sequence[DraftContent], a: str, b: str) -> int | None:
    """1 where more rank a above b, −1 where more rank b above a, 0 where most tie them; None where it is even."""
    ranks = [content.ranks for content in contents]
    signs = [_sign(each[b] - each[a]) for each in ranks if a in each and b in each]
    votes = {sign: signs.count(sign) for sign in (-1, 0, 1)}
    most = max(votes.values())
    winners = [sign for sign, many in votes.items() if many == most]
    return winners[0] if signs and len(winners) == 1 else None


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _distance(content: DraftContent, scores: dict[str, dict[str, int]], ranking: list[list[str]]) -> float:
    away = sum(
        abs(score - content.scores.get(response, {}).get(key, score))
        for response, marks in scores.items()
        for key, score in marks.items()
    )
    return away + (0 if content.ranking == ranking else 1)
