"""Everything that people judged in a project as arrays: what every figure of this room is computed from.

One row an annotation, the annotations of one sample side by side; one column a response, the same one for everybody
who judged the sample. 100,000 annotations of four responses and three criteria take about 4 MB.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain, combinations
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Row(NamedTuple):
    """One annotation in its author's own words, and what became of it."""

    annotation: int
    user: int
    sample: int
    seconds: float = 0.0
    at: float = 0.0
    """When it was submitted, in unix seconds."""
    state: str = "submitted"
    returned: bool = False
    """Whether a reviewer ever sent it back."""
    counts: bool = True
    """Whether it is compared with others: not rejected, not set aside, and able to judge."""
    scores: dict[str, dict[str, int]] = {}
    ranking: list[list[str]] = []
    order: Sequence[int | str] = ()
    """Response ids as the person saw them."""


@dataclass(frozen=True)
class Columns:
    """Row by row as in `Row`. K: the most responses that a sample has; C: criteria. Sorted by sample and annotation."""

    criteria: tuple[str, ...]
    annotation: Ints
    user: Ints
    sample: Ints
    seconds: Floats
    at: Floats
    state: npt.NDArray[np.str_]
    returned: Mask
    counts: Mask
    responses: Ints
    """[rows, K]: response ids by rising id, 0 where the sample has fewer."""
    shown: Small
    """[rows, K]: the place at which the person saw the response, from 0; −1 where it was not shown."""
    ranks: Small
    """[rows, K]: 1 for the best, 0 where it was not ranked."""
    scores: Small
    """[rows, K, C]: 1 to 5, 0 where none was given."""

    def __len__(self) -> int:
        return len(self.annotation)

    def where(self, rows: Mask | Ints) -> Columns:
        """Only these rows."""
        arrays: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **arrays)

    def counted(self) -> Columns:
        return self.where(self.counts)

    def of_user(self, user: int) -> Columns:
        return self.where(self.user == user)


_ARRAYS = [field.name for field in fields(Columns) if field.name != "criteria"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles, which looks through all of the many small objects again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def build(rows: Iterable[Row], criteria: Sequence[str]) -> Columns:
    """The rows as columns, sorted by sample and annotation."""
    rows = list(rows)
    each = Row(*map(list, zip(*rows, strict=True))) if rows else Row(*([[]] * len(Row._fields)))  # type: ignore[arg-type]
    annotation, user, sample = (np.array(ids, dtype=np.int64) for ids in (each.annotation, each.user, each.sample))
    shown_row, shown_response, place = _shown(each.order)  # type: ignore[arg-type]
    ranked_row, ranked_response, rank = _ranked(each.ranking)  # type: ignore[arg-type]
    scored_row, scored_response, marks = _scored(each.scores, criteria)  # type: ignore[arg-type]
    frame = _Frame(sample, shown_row, shown_response)
    if not (frame.knows(ranked_row, ranked_response) and frame.knows(scored_row, scored_response)):
        met = zip(
            (shown_row, shown_response), (ranked_row, ranked_response), (scored_row, scored_response), strict=True
        )
        frame = _Frame(sample, *map(np.concatenate, met))
    shape = (len(rows), frame.width)
    columns = Columns(
        criteria=tuple(criteria),
        annotation=annotation,
        user=user,
        sample=sample,
        seconds=np.array(each.seconds, dtype=float),
        at=np.array(each.at, dtype=float),
        state=np.array(each.state, dtype=np.str_),
        returned=np.array(each.returned, dtype=bool),
        counts=np.array(each.counts, dtype=bool),
        responses=frame.responses(),
        shown=np.full(shape, -1, dtype=np.int8),
        ranks=np.zeros(shape, dtype=np.int8),
        scores=np.zeros((*shape, len(criteria)), dtype=np.int8),
    )
    columns.shown[shown_row, frame.column(shown_row, shown_response)] = place
    columns.ranks[ranked_row, frame.column(ranked_row, ranked_response)] = rank
    columns.scores[scored_row, frame.column(scored_row, scored_response)] = marks
    return columns.where(np.lexsort((annotation, sample)))


class _Frame:
    """Which column a response has: its place among all responses of its sample that anybody met."""

    def __init__(self, sample: Ints, rows: Ints, responses: Ints) -> None:
        self.samples, self.row_sample = np.unique(sample, return_inverse=True)
        self.known = np.unique(self._key(rows, responses))
        owner, self.first, self.many = np.unique(self.known >> 40, return_index=True, return_counts=True)
        self.owner_of = np.searchsorted(owner, np.arange(len(self.samples)))
        self.width = int(self.many.max(initial=1))

    def _key(self, rows: Ints, responses: Ints) -> Ints:
        return (self.row_sample[rows].astype(np.int64) << 40) | responses

    def knows(self, rows: Ints, responses: Ints) -> bool:
        keys = self._key(rows, responses)
        place = np.searchsorted(self.known, keys).clip(max=max(len(self.known) - 1, 0))
        return not len(keys) or (len(self.known) > 0 and bool((self.known[place] == keys).all()))

    def column(self, rows: Ints, responses: Ints) -> Ints:
        place = np.searchsorted(self.known, self._key(rows, responses))
        return np.asarray(place - self.first[self.owner_of[self.row_sample[rows]]])

    def responses(self) -> Ints:
        """[rows, width]"""
        found = np.zeros((len(self.samples), self.width), dtype=np.int64)
        inside = np.arange(len(self.known)) - np.repeat(self.first, self.many)
        found[self.known >> 40, inside] = self.known & ((1 << 40) - 1)
        return np.asarray(found[self.row_sample])


def _repeat(lengths: Iterable[int]) -> Ints:
    """[2, 0, 1] → [0, 0, 2]: which row each entry comes from."""
    counts = np.fromiter(lengths, dtype=np.int64)
    return np.repeat(np.arange(len(counts)), counts)


def _ints(values: Iterable[Any]) -> Ints:
    return np.fromiter(map(int, values), dtype=np.int64)


def _shown(orders: Sequence[Sequence[Any]]) -> tuple[Ints, Ints, Ints]:
    rows = _repeat(map(len, orders))
    place = np.fromiter(chain.from_iterable(range(len(order)) for order in orders), dtype=np.int64, count=len(rows))
    return rows, _ints(chain.from_iterable(orders)), place


def _ranked(rankings: Sequence[Sequence[Sequence[str]]]) -> tuple[Ints, Ints, Ints]:
    groups = list(chain.from_iterable(rankings))
    group_row, inside = _repeat(map(len, rankings)), _repeat(map(len, groups))
    first = np.searchsorted(group_row, group_row, side="left")
    rank = np.arange(len(groups)) - first + 1
    return group_row[inside], _ints(chain.from_iterable(groups)), rank[inside]


def _scored(scores: Sequence[dict[str, dict[str, int]]], criteria: Sequence[str]) -> tuple[Ints, Ints, Small]:
    marks = list(chain.from_iterable(map(dict.values, scores)))
    table = np.zeros((len(marks), len(criteria)), dtype=np.int8)
    for place, key in enumerate(criteria):
        try:
            found: list[int] = list(map(itemgetter(key), marks))
        except KeyError:  # a criterion that the rubric got later
            found = [each.get(key, 0) for each in marks]
        table[:, place] = found
    return _repeat(map(len, scores)), _ints(chain.from_iterable(scores)), table


def joined(old: Columns, new: Columns) -> Columns | None:
    """The old rows with the new ones in their place; None where a sample has got other responses since."""
    width = max(old.responses.shape[1], new.responses.shape[1])
    old, new = _widened(old, width), _widened(new, width)
    place = np.searchsorted(old.sample, new.sample).clip(max=max(len(old) - 1, 0))
    known = old.sample[place] == new.sample if len(old) else np.zeros(len(new), dtype=bool)
    if (old.responses[place[known]] != new.responses[known]).any():
        return None
    kept = old.where(~np.isin(old.annotation, new.annotation))
    arrays: dict[str, Any] = {name: np.concatenate([getattr(kept, name), getattr(new, name)]) for name in _ARRAYS}
    both = replace(kept, **arrays)
    return both.where(np.lexsort((both.annotation, both.sample)))


def _widened(columns: Columns, width: int) -> Columns:
    more = width - columns.responses.shape[1]
    if not more:
        return columns
    empty = {"responses": 0, "shown": -1, "ranks": 0}
    found: dict[str, Any] = {
        name: np.pad(getattr(columns, name), ((0, 0), (0, more)), constant_values=value)
        for name, value in empty.items()
    }
    return replace(columns, **found, scores=np.pad(columns.scores, ((0, 0), (0, more), (0, 0))))


class Pairings(NamedTuple):
    """Every two annotations of one sample by different people, as places of rows."""

    one: Ints
    other: Ints


def pairings(columns: Columns) -> Pairings:
    """All of them; each two once, the earlier row first."""
    ones, others = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    step = 1
    while step < len(columns):
        found = np.flatnonzero(columns.sample[step:] == columns.sample[:-step])
        if not len(found):
            break
        ones.append(found)
        others.append(found + step)
        step += 1
    return Pairings(np.concatenate(ones), np.concatenate(others))


def outcomes(ranks: Small) -> Small:
    """[rows, K] → [rows, pairs of responses]: 1 where the first is preferred, −1 the second, 0 a tie, 9 unranked."""
    two = np.array(list(combinations(range(ranks.shape[1]), 2)), dtype=np.int64).reshape(-1, 2)
    first, second = ranks[:, two[:, 0]], ranks[:, two[:, 1]]
    return np.where((first > 0) & (second > 0), np.sign(second - first), UNRANKED).astype(np.int8)


UNRANKED = 9
