"""What the pages and sheets of this room show, each computed once until something changes."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import numpy as np

from app.core.db import Session, now
from app.core.language import N_
from app.projects.guard import Seat
from app.projects.rubric import Rubric
from app.quality import agreement, cache, drift, formulas, leanings, people, progress, queries, reliability
from app.quality.agreement import Agreement, Figure
from app.quality.cache import Kept
from app.quality.columns import Floats, Ints, Mask
from app.quality.people import Crowd, Person
from app.quality.reliability import Reliability

PARTS = {"type": N_("Question type"), "domain": N_("Domain"), "cluster": N_("Cluster"), "week": N_("Week")}
FEWER = 400
"""Resamples of the parts' intervals: there are many of them."""


class Named(NamedTuple):
    """A figure as a line of a table. sign: α, τ_b, W, % or κ; counted: what its units are."""

    key: str
    name: str
    sign: str
    counted: str
    figure: Figure


RANKING_WORDS = {
    "tau": (N_("Ranks, pairwise"), "τ_b", N_("pairs of people")),
    "w": (N_("Ranks, all together"), "W", N_("samples")),
    "pairs": (N_("Preferences alike"), "%", N_("pairs of responses")),
    "kappa": (N_("Preferences beyond chance"), "κ", N_("pairs of responses")),
}


def found(kept: Kept) -> Agreement:
    return kept.once("agreement", lambda: agreement.agreement(kept.columns))


def learnt(kept: Kept) -> Reliability:
    return kept.once("reliability", lambda: reliability.learn(found(kept)))


def figures(kept: Kept, rubric: Rubric) -> list[Named]:
    """α of each criterion, then the figures of the rankings, over the whole project."""
    return kept.once("figures", lambda: _figures(found(kept), rubric, None, formulas.RESAMPLES))


def _figures(of: Agreement, rubric: Rubric, only: Mask | None, resamples: int) -> list[Named]:
    words = {each.key: (each.name, "α", N_("responses")) for each in rubric.criteria} | RANKING_WORDS
    return [Named(key, *word, of.figure(key, only, resamples)) for key, word in words.items()]


class Part(NamedTuple):
    """One part of the project with its figures."""

    name: str
    figures: list[Named]


def parts(session: Session, seat: Seat, kept: Kept, by: str) -> list[Part]:
    """The figures of each question type, domain, cluster or week (of a sample's last judgement)."""
    of = found(kept)
    label = labels(session, seat, kept, of.samples, by)
    return kept.once(("parts", by, label.tobytes()), lambda: _parts(of, seat.rubric, label))


def _parts(of: Agreement, rubric: Rubric, label: np.ndarray) -> list[Part]:  # type: ignore[type-arg]
    return [Part(str(name), _figures(of, rubric, label == name, FEWER)) for name in np.unique(label) if name]


def labels(session: Session, seat: Seat, kept: Kept, samples: Ints, by: str) -> np.ndarray:  # type: ignore[type-arg]
    """[samples]: the part that each belongs to; empty for none."""
    if by == "cluster":
        return queries.clusters(session, seat, samples)
    if by == "week":
        return weeks(kept, samples)
    ids, named = kept.once("sample parts", lambda: queries.sample_parts(session, seat))
    return np.asarray(named[by][np.searchsorted(ids, samples)])


def weeks(kept: Kept, samples: Ints) -> np.ndarray:  # type: ignore[type-arg]
    """[samples]: the Monday of the week in which each was judged last."""
    last = np.full(len(samples), 0.0)
    place = np.searchsorted(samples, kept.columns.sample)
    inside = (
        (place < len(samples)) & (samples[place.clip(max=max(len(samples) - 1, 0))] == kept.columns.sample)
        if len(samples)
        else np.zeros(len(kept.columns), bool)
    )
    np.maximum.at(last, place[inside], kept.columns.at[inside])
    return mondays(last)


def mondays(at: Floats) -> np.ndarray:  # type: ignore[type-arg]
    """[n] unix seconds → the Monday of each one's week, as text."""
    day = (at // 86400).astype(np.int64)
    return (day - (day + 3) % 7).astype("datetime64[D]").astype(str)  # 1 January 1970 was a Thursday


def crowd(session: Session, seat: Seat, kept: Kept) -> Crowd:
    return kept.once("crowd", lambda: _crowd(session, seat, kept))


def _crowd(session: Session, seat: Seat, kept: Kept) -> Crowd:
    lengths, final = queries.lengths(session, seat), queries.final(session, seat)
    return people.crowd(kept.columns, found(kept), learnt(kept), lengths, final)


def persons(session: Session, seat: Seat, kept: Kept) -> list[Person]:
    """Everybody who annotated, by name."""

    def all_of_them() -> list[Person]:
        names = queries.names(session, np.unique(kept.columns.user))
        return people.people(crowd(session, seat, kept), names)

    return kept.once("persons", all_of_them)


class Change(NamedTuple):
    name: str
    unit: str
    series: drift.Series


def changes(session: Session, seat: Seat, kept: Kept, user: int) -> list[Change]:
    """How one person's work goes on: agreement with others, pace and marks, annotation by annotation."""
    return kept.once(("changes", user), lambda: _changes(crowd(session, seat, kept), user))


def _changes(of: Crowd, user: int) -> list[Change]:
    shared, own = of.found.columns.user == user, of.columns.user == user
    columns = of.columns.where(own)
    given = columns.scores > 0
    with np.errstate(invalid="ignore"):
        marks = columns.scores.sum(axis=(1, 2)) / np.where(given.any(axis=(1, 2)), given.sum(axis=(1, 2)), np.nan)
    return [
        Change(N_("Agreement with others"), "%", drift.series(of.found.columns.at[shared], 100 * of.others[shared])),
        Change(N_("Time a sample"), N_("min"), drift.series(columns.at, columns.seconds / 60)),
        Change(N_("Mean mark"), N_("of 5"), drift.series(columns.at, marks)),
    ]


def forecast(session: Session, seat: Seat, left: int) -> progress.Forecast:
    return progress.forecast(queries.done_by_day(session, seat), left, now().date())


def of(session: Session, seat: Seat) -> Kept:
    return cache.of(session, seat)


class Filters(NamedTuple):
    """Which annotations stand behind a figure; what is empty narrows nothing."""

    annotator: int = 0
    beside: int = 0
    """Somebody else: both people's annotations of the samples that both judged."""
    type: str = ""
    domain: str = ""
    cluster: str = ""
    week: str = ""
    state: str = ""
    criterion: str = ""
    level: int = 0
    """With a criterion: only where some response got this mark."""
    twice: bool = False
    """Only what is compared with others."""
    straight: bool = False
    """Only where all responses got the same marks."""
    gold: bool = False
    """Only what was compared with a known answer."""
    reviewed: bool = False
    """Only what a reviewer accepted, corrected or decided over."""
    since: dt.date | None = None
    until: dt.date | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Only what narrows."""
        return {name: value for name, value in self._asdict().items() if value}


def behind(session: Session, seat: Seat, kept: Kept, wanted: Filters) -> list[int]:
    """Ids of the annotations, newest first."""
    columns = kept.columns
    rows = np.ones(len(columns), dtype=bool)
    if wanted.annotator:
        rows &= np.isin(columns.user, [wanted.annotator, *([wanted.beside] if wanted.beside else [])])
    if wanted.annotator and wanted.beside:
        rows &= columns.counts & np.isin(columns.sample, _both(kept, wanted.annotator, wanted.beside))
    if wanted.twice:
        rows &= columns.counts & np.isin(columns.sample, found(kept).samples)
    for by in ("type", "domain", "cluster", "week"):
        if getattr(wanted, by):
            samples = np.unique(columns.sample)
            label = labels(session, seat, kept, samples, by)
            rows &= np.isin(columns.sample, samples[label == getattr(wanted, by)])
    if wanted.state:
        rows &= columns.returned if wanted.state == "returned" else columns.state == wanted.state
    if wanted.criterion in columns.criteria and wanted.level:
        rows &= (columns.scores[:, :, columns.criteria.index(wanted.criterion)] == wanted.level).any(axis=1)
    if wanted.straight:
        rows &= leanings.straight(columns) == 1
    if wanted.gold:
        rows &= np.isin(columns.annotation, queries.gold_annotations(session, seat))
    if wanted.reviewed:
        rows &= np.isin(columns.annotation, list(crowd(session, seat, kept).kept))
    if wanted.since:
        rows &= columns.at >= _midnight(wanted.since)
    if wanted.until:
        rows &= columns.at < _midnight(wanted.until + dt.timedelta(days=1))
    return sorted(columns.annotation[rows].tolist(), reverse=True)


def _both(kept: Kept, one: int, other: int) -> Ints:
    columns = kept.columns.counted()
    return np.intersect1d(columns.sample[columns.user == one], columns.sample[columns.user == other])


def _midnight(day: dt.date) -> float:
    return dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()
