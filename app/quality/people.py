"""Each annotator's work in figures, beside the project's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from app.quality.agreement import Figure, Judgement
from app.quality.queries import Work

LEVELS = (1, 2, 3, 4, 5)


class Person(NamedTuple):
    """minutes: active ones, in all; pace: the median a sample; tau: mean τ_b with everybody else, by shared samples."""

    user: int
    name: str
    done: int
    minutes: float
    pace: float
    waiting: int
    accepted: int
    corrected: int
    returned: int
    rejected: int
    tau: float | None
    compared: int
    scores: dict[str, list[float]]
    """Criterion → the share of each of the five levels."""

    def share(self, many: int) -> float | None:
        return many / self.done if self.done else None

    def mean_of(self, criterion: str) -> float:
        """The mean score given, 1 to 5; 0 where none was: what the table sorts by."""
        return sum(level * share for level, share in zip(LEVELS, self.scores[criterion], strict=True))


def people(
    works: Iterable[Work],
    judgements: Sequence[Judgement],
    names: Mapping[int, str],
    taus: Mapping[tuple[int, int], Figure],
    criteria: list[str],
) -> list[Person]:
    """Everybody who annotated, by name."""
    by_user: dict[int, list[Work]] = defaultdict(list)
    for work in works:
        by_user[work.user].append(work)
    own: dict[int, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        own[judgement.user].append(judgement)
    return [_person(user, name, by_user[user], own[user], taus, criteria) for user, name in names.items()]


def _person(
    user: int,
    name: str,
    works: list[Work],
    judgements: list[Judgement],
    taus: Mapping[tuple[int, int], Figure],
    criteria: list[str],
) -> Person:
    states = Counter(work.state for work in works)
    tau, compared = _with_others(user, taus)
    return Person(
        user=user,
        name=name,
        done=len(works),
        minutes=sum(work.seconds for work in works) / 60,
        pace=median([work.seconds for work in works]) / 60 if works else 0.0,
        waiting=states["submitted"],
        accepted=states["accepted"],
        corrected=states["corrected"],
        returned=sum(work.returned for work in works),
        rejected=states["rejected"],
        tau=tau,
        compared=compared,
        scores=distribution(judgements, criteria),
    )


def _with_others(user: int, taus: Mapping[tuple[int, int], Figure]) -> tuple[float | None, int]:
    found = [figure for pair, figure in taus.items() if user in pair and figure.value is not None]
    compared = sum(figure.samples for figure in found)
    total = sum((figure.value or 0.0) * figure.samples for figure in found)
    return (total / compared if compared else None), compared


def distribution(judgements: Iterable[Judgement], criteria: list[str]) -> dict[str, list[float]]:
    """Criterion → the share of each of the five levels among the scores given; zeros where none was."""
    counts: dict[str, Counter[int]] = {criterion: Counter() for criterion in criteria}
    for judgement in judgements:
        for marks in judgement.scores.values():
            for criterion, score in marks.items():
                if criterion in counts:
                    counts[criterion][score] += 1
    return {name: [found[level] / (found.total() or 1) for level in LEVELS] for name, found in counts.items()}
