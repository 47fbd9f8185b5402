"""Each annotator's work in figures beside the project's, and the signs that somebody should look at it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from app.annotations.tables import BY_RULE
from app.core.language import N_
from app.quality import drift, leanings
from app.quality.agreement import Agreement, compared
from app.quality.columns import Columns, Floats, Ints, outcomes
from app.quality.leanings import Mean
from app.quality.reliability import Reliability

SURE = 3.5
"""Standard errors: of 200 people without any habit about one in twenty projects would see one sign too many."""
FEWEST = 12
"""Annotations below which nobody is judged by a habit."""


LARGE_FALL = 0.1
"""Of the share of pairs ordered as others did: smaller ones are shown on the person's page alone."""
UNRELIABLE = 0.15
"""Below the median reliability."""


class Sign(NamedTuple):
    """Something to look at. kind: agreement, change, pace, straight, place, length, marks."""

    kind: str
    word: str
    text: str
    """With places for `values`, to be said in the reader's language."""
    values: dict[str, str]

    @property
    def said(self) -> str:
        """In English."""
        return self.text % self.values


class Person(NamedTuple):
    """minutes: active ones, in all; pace: median seconds a sample."""

    user: int
    name: str
    done: int
    minutes: float
    pace: float
    states: dict[str, int]
    returned: int
    reliability: float | None
    """The chance that an outcome they give is the one that Dawid and Skene's model takes for true."""
    others: Mean
    """Share of pairs ordered as other people did; expected: the project's."""
    reviewers: float | None
    """Share of pairs that reviewers left as they were, over what a reviewer looked at."""
    reviewed: int
    place: Mean
    """Share of strict pairs in which the response shown earlier won; expected: one half."""
    length: Mean
    """Share of strict pairs in which the longer response won; expected: everybody else's."""
    marks: Mean
    """How much higher than others' marks of the same responses theirs are; expected: 0."""
    straight: float | None
    """Share of annotations in which all responses got the same marks."""
    signs: list[Sign]

    def state(self, name: str) -> int:
        return self.states.get(name, 0)

    @property
    def accepted(self) -> int:
        return self.state("accepted") + self.state(BY_RULE)


class Crowd(NamedTuple):
    """What people are measured by: the project's columns, and each row's figures."""

    columns: Columns
    found: Agreement
    reliability: Reliability
    others: Floats
    """By row of `found.columns`."""
    marks: Floats
    """By row of `found.columns`."""
    place: Floats
    length: Floats
    straight: Floats
    kept: dict[int, float]
    """Annotation → the share of its pairs that a reviewer left as they were."""


def crowd(
    columns: Columns,
    found: Agreement,
    reliability: Reliability,
    lengths: tuple[Ints, Ints],
    final: Columns,
) -> Crowd:
    """final: what reviewers' corrections and adjudications made of annotations, under the annotations' ids."""
    return Crowd(
        columns=columns,
        found=found,
        reliability=reliability,
        others=leanings.with_others(found),
        marks=leanings.severity(found)[1],
        place=leanings.by_place(columns),
        length=leanings.by_length(columns, *lengths),
        straight=leanings.straight(columns),
        kept=_kept(columns, final),
    )


def _kept(columns: Columns, final: Columns) -> dict[int, float]:
    """Accepted by a reviewer: all of it. Corrected or adjudicated: what is the same in the final one."""
    kept = {int(id): 1.0 for id in columns.annotation[columns.state == "accepted"]}
    order = np.argsort(columns.annotation)
    place = order[np.searchsorted(columns.annotation, final.annotation, sorter=order).clip(max=max(len(order) - 1, 0))]
    for row, own in enumerate(place):
        ranks = {int(r): int(rank) for r, rank in zip(final.responses[row], final.ranks[row], strict=True) if rank}
        mine = np.array([[ranks.get(int(response), 0) for response in columns.responses[own]]], dtype=np.int8)
        both = compared(outcomes(columns.ranks[own : own + 1]), outcomes(mine))
        if both.total[0]:
            kept[int(final.annotation[row])] = float(both.same[0] / both.total[0])
    return kept


def people(crowd: Crowd, names: dict[int, str]) -> list[Person]:
    """Everybody who annotated, by name."""
    accuracy = crowd.reliability.accuracy
    pace = float(np.median(crowd.columns.seconds)) if len(crowd.columns) else 0.0
    return [_person(crowd, user, name, accuracy.get(user), pace) for user, name in names.items()]


def _person(crowd: Crowd, user: int, name: str, reliability: float | None, pace: float) -> Person:
    own, compared_own = crowd.columns.user == user, crowd.found.columns.user == user
    seconds = crowd.columns.seconds[own]
    kept = [crowd.kept[id] for id in crowd.columns.annotation[own].tolist() if id in crowd.kept]
    person = Person(
        user=user,
        name=name,
        done=int(own.sum()),
        minutes=float(seconds.sum() / 60),
        pace=float(np.median(seconds)) if len(seconds) else 0.0,
        states=dict(Counter(crowd.columns.state[own].tolist())),
        returned=int(crowd.columns.returned[own].sum()),
        reliability=reliability,
        others=leanings.mean(crowd.others[compared_own], _mean(crowd.others)),
        reviewers=sum(kept) / len(kept) if kept else None,
        reviewed=len(kept),
        place=leanings.mean(crowd.place[own], 0.5),
        length=leanings.mean(crowd.length[own], _mean(crowd.length[~own])),
        marks=leanings.mean(crowd.marks[compared_own]),
        straight=None if np.isnan(crowd.straight[own]).all() else float(np.nanmean(crowd.straight[own])),
        signs=[],
    )
    typical = float(np.median(list(crowd.reliability.accuracy.values()))) if reliability is not None else 0.0
    series = drift.series(crowd.found.columns.at[compared_own], crowd.others[compared_own])
    return person._replace(signs=[*signs(person, pace, _mean(crowd.straight), typical), *_shifts(series, person)])


def _shifts(series: drift.Series, person: Person) -> list[Sign]:
    """Where agreement with others fell for good, the last time that it did."""
    falls = [each for each in series.changes if each.before - each.after > LARGE_FALL]
    if person.done < FEWEST or not falls:
        return []
    last = falls[-1]
    text = N_("Agreement with others fell from %(before)s to %(after)s after %(many)s annotations.")
    values = {"before": f"{last.before:.0%}", "after": f"{last.after:.0%}", "many": str(last.place)}
    return [Sign("change", N_("agrees less than before"), text, values)]


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.5


def signs(person: Person, pace: float, straight: float, typical: float) -> list[Sign]:
    """What stands out beyond chance and is large enough to matter.

    pace: the project's median seconds; straight: its share of annotations with the same marks; typical: its people's
    median reliability.
    """
    if person.done < FEWEST:
        return []
    found = []
    unreliable = person.reliability is not None and person.reliability < typical - UNRELIABLE and person.others.z < -2
    if unreliable or (_stands_out(person.others, 0.08) and person.others.z < 0):
        text = N_("%(share)s of pairs ordered as others did, expected %(expected)s.")
        found.append(Sign("agreement", N_("agrees little"), text, _shares(person.others)))
    if pace and person.pace < 0.35 * pace:
        text = N_("%(own)s seconds a sample, the project's median is %(all)s.")
        found.append(Sign("pace", N_("very quick"), text, {"own": f"{person.pace:.0f}", "all": f"{pace:.0f}"}))
    if person.straight is not None and person.straight > max(0.3, 3 * straight):
        text = N_("All responses got the same marks in %(own)s of annotations, in the project in %(all)s.")
        values = {"own": f"{person.straight:.0%}", "all": f"{straight:.0%}"}
        found.append(Sign("straight", N_("same marks"), text, values))
    if _stands_out(person.place, 0.08):
        word = N_("prefers the earlier") if person.place.z > 0 else N_("prefers the later")
        text = N_("%(share)s of pairs won by what was shown earlier, expected %(expected)s.")
        found.append(Sign("place", word, text, _shares(person.place)))
    if _stands_out(person.length, 0.08):
        word = N_("prefers the longer") if person.length.z > 0 else N_("prefers the shorter")
        text = N_("%(share)s of pairs won by the longer response, expected %(expected)s.")
        found.append(Sign("length", word, text, _shares(person.length)))
    if _stands_out(person.marks, 0.4):
        word = N_("marks high") if person.marks.z > 0 else N_("marks low")
        text = N_("Marks %(apart)s from others' of the same responses.")
        found.append(Sign("marks", word, text, {"apart": f"{person.marks.value:+.1f}"}))
    return found


def _stands_out(found: Mean, least: float) -> bool:
    return (
        found.value is not None
        and found.many >= FEWEST
        and abs(found.z) > SURE
        and abs(found.value - found.expected) > least
    )


def _shares(found: Mean) -> dict[str, str]:
    return {"share": f"{found.value or 0:.0%}", "expected": f"{found.expected:.0%}"}


def distribution(columns: Columns) -> dict[str, list[float]]:
    """Criterion → the share of each of the five levels among the scores given; zeros where none was."""
    found = {}
    for place, name in enumerate(columns.criteria):
        counts = np.bincount(columns.scores[:, :, place].ravel(), minlength=6)[1:6]
        found[name] = (counts / max(int(counts.sum()), 1)).tolist()
    return found
