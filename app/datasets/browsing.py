"""Looking at frozen pairs: chosen and rejected side by side, under the picture and the question."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from app.core.language import gettext as _
from app.datasets import reading
from app.datasets.reading import FrozenSample

PAGE = 12


class Filters(NamedTuple):
    """What the browser is narrowed to; empty strings narrow nothing."""

    split: str = ""
    question_type: str = ""
    domain: str = ""

    def pass_(self, line: dict[str, Any]) -> bool:
        return all(wanted in ("", line[name]) for name, wanted in self._asdict().items())


class Side(NamedTuple):
    key: str
    text: str
    by: str
    """The model's name, or that an annotator wrote it."""
    rank: int | None
    scores: dict[str, float]
    critique: str


class Shown(NamedTuple):
    """One pair of a sample."""

    chosen: Side
    rejected: Side
    votes: dict[str, int] | None
    """for, against, tied; None in datasets frozen before votes were kept."""
    confidence: float | None


class Group(NamedTuple):
    """A sample and those of its pairs that stand on this page."""

    line: dict[str, Any]
    pairs: list[Shown]

    @property
    def sample_id(self) -> int | None:
        """None: it is no sample of the project's, but a question of the playground."""
        name = self.line["id"]
        return int(name[1:]) if name.startswith("s") else None


def page_of(dataset_id: int, filters: Filters, after: int) -> tuple[list[Group], int | None]:
    """PAGE pairs from the place `after` on, by sample, and the place where the next page begins."""
    found = list(islice(_pairs(dataset_id, filters), after, after + PAGE + 1))
    groups: list[Group] = []
    for sample, pair in found[:PAGE]:
        if not groups or groups[-1].line["id"] != sample.line["id"]:
            groups.append(Group(sample.line, []))
        groups[-1].pairs.append(_shown(sample, pair))
    return groups, after + PAGE if len(found) > PAGE else None


def _pairs(dataset_id: int, filters: Filters) -> Iterator[tuple[FrozenSample, dict[str, Any]]]:
    for sample in reading.samples(dataset_id):
        if filters.pass_(sample.line):
            for pair in sample.pairs:
                yield sample, pair


def _shown(sample: FrozenSample, pair: dict[str, Any]) -> Shown:
    chosen, rejected = (side_of(sample, pair[side]) for side in ("chosen", "rejected"))
    return Shown(chosen, rejected, pair.get("votes"), pair.get("confidence"))


def side_of(sample: FrozenSample, key: str) -> Side:
    response = sample.response(key)
    written = {"positive": _("positive sample, by an annotator"), "negative": _("negative sample, by an annotator")}
    by = written.get(response["origin"]) or response["model"] or _("unnamed model")
    return Side(key, response["text"], by, response["rank"], response["scores"], response["critique"])
