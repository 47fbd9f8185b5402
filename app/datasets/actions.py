"""Datasets' verb: freeze what people judged into a folder that never changes."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.accounts.actions import audit
from app.core import storage
from app.core.db import Session
from app.core.language import gettext as _
from app.datasets import folder as folders
from app.datasets import preferences, queries, tallying
from app.datasets.counting import Census
from app.datasets.lines import Lines, lines_of
from app.datasets.refusals import BadFreeze, NoPairs
from app.datasets.splits import split
from app.datasets.tables import Dataset
from app.datasets.voting import RULES, Choice
from app.projects.guard import Seat
from app.projects.tables import Project
from app.quality.reliability import Reliability
from app.samples.tables import Sample

CHOICE = Choice()


class Plan(NamedTuple):
    """What a freeze would take: the ballots, how they become one order, the paired samples, each sample's split."""

    ballots: queries.Ballots
    choice: Choice
    learnt: Reliability | None
    """Everybody's reliability, where the rule weighs by it."""
    paired: set[int]
    splits: dict[int, str]
    preferences: list[preferences.Preference]
    """Those of the playground, where they are wished."""


def freeze(
    session: Session, seat: Seat, name: str, held_out_share: float = 0.2, seed: int = 0, choice: Choice = CHOICE
) -> Dataset:
    """Judgements as a dataset folder and its row.

    held_out_share: of the samples, 0 to 0.9. The same annotations, name, share, seed and choice give the same bytes.
    Raises BadFreeze, NoPairs, MediumMissing; then nothing is changed and no folder stays.
    """
    name = _checked_name(name)
    plan = planned(session, seat, held_out_share, seed, choice)
    if not plan.paired:
        raise NoPairs(
            _("No annotation that the rule takes makes a preference pair."),
            "annotations",
            _("Accept annotations under Reviews first, or choose another rule."),
        )
    dataset = _row(session, seat, name)
    place = storage.dataset_folder(dataset.id)
    census, credits = Census(), set[str]()
    with folders.made_whole(place) as aside:
        folders.write_lines(aside, _counted(_found(session, plan), census, credits))
        counts, left_out = census.as_counts(), census.as_left_out(plan.ballots.left_out)
        settings = {
            "held_out_share": held_out_share,
            "seed": seed,
            "aggregation": _told(plan),
            "left_out": left_out,
        }
        folders.write_card(aside, _card(seat, name, counts, settings, sorted(credits)))
        dataset.sha256 = folders.seal(aside)
    dataset.counts, dataset.settings = counts, settings
    session.flush()
    _remove_on_rollback(session, place)
    audit(session, seat.user, "dataset.frozen", f"dataset {dataset.id}", seat.project.id, sha256=dataset.sha256)
    return dataset


def _told(plan: Plan) -> dict[str, Any]:
    """The choice, and by whose reliability votes were weighed: lowest, highest and how many people."""
    settings = plan.choice.as_settings()
    if plan.learnt is None:
        return settings
    known = sorted(plan.learnt.accuracy.values())
    bounds = {"lowest": round(known[0], 4), "highest": round(known[-1], 4)} if known else {}
    return {**settings, "reliability": {"people": len(known), **bounds}}


def preview(
    session: Session, seat: Seat, held_out_share: float = 0.2, seed: int = 0, choice: Choice = CHOICE
) -> tuple[dict[str, Any], dict[str, int]]:
    """The counts that a freeze would have now, and what it would leave out. Raises BadFreeze."""
    census = Census()
    plan = planned(session, seat, held_out_share, seed, choice)
    for _each in _counted(_found(session, plan), census, set()):
        pass
    return census.as_counts(), census.as_left_out(plan.ballots.left_out)


def planned(session: Session, seat: Seat, held_out_share: float, seed: int, choice: Choice) -> Plan:
    """The annotations as they are now, pinned: what is accepted later waits for the next dataset."""
    if not math.isfinite(held_out_share) or not 0 <= held_out_share <= 0.9:
        raise BadFreeze(
            _("The held-out share is 0 to 0.9, not %(held_out_share)s.", held_out_share=f"{held_out_share:g}"),
            "held_out_share",
        )
    if not 0 <= seed < 2**31:
        raise BadFreeze(_("A seed is a whole number from 0 to 2147483647."), "seed")
    _check(choice)
    ballots, learnt = tallying.taken(session, seat, choice)
    decided = tallying.decided(session, ballots.rows, choice, learnt)
    paired = {sample_id for sample_id, _, outcome in decided if outcome.kept}
    blobs = queries.blobs_of(session, seat.project.id)
    of_rows = {row.sample_id: blobs.get(row.sample_id, set()) for row in ballots.rows}
    beside = preferences.of(session, seat.project.id) if choice.playground else []
    of_rows |= {each.number: {each.blob_sha256} for each in beside}
    paired |= {each.number for each in beside if each.preferred is not None}
    return Plan(ballots, choice, learnt, paired, split(of_rows, paired, held_out_share, seed), beside)


def _check(choice: Choice) -> None:
    if choice.rule not in RULES:
        raise BadFreeze(
            _("“%(rule)s” is none of the rules %(rules)s.", rule=choice.rule[:40], rules=", ".join(RULES)), "rule"
        )
    if not 1 <= choice.minimum <= 20:
        raise BadFreeze(
            _("The least votes for a pair are 1 to 20, not %(minimum)s.", minimum=choice.minimum), "minimum"
        )
    if not math.isfinite(choice.confidence) or not 0.5 <= choice.confidence < 1:
        raise BadFreeze(
            _("The least chance is 0.5 up to 0.999, not %(confidence)s.", confidence=f"{choice.confidence:g}"),
            "confidence",
        )


def _found(session: Session, plan: Plan) -> Iterator[tuple[Sample, Lines, int]]:
    """Each sample with its lines and how many annotations could not judge it."""
    for batch in queries.by_sample(plan.ballots.rows):
        ids = [ballots[0].sample_id for ballots in batch]
        samples, margins = queries.samples(session, ids), queries.margins(session, ids)
        ballots = [ballot for each in batch for ballot in each]
        many = Counter(ballot.sample_id for ballot in ballots)
        for sample_id, voters, outcome in tallying.decided(session, ballots, plan.choice, plan.learnt):
            lines = lines_of(samples[sample_id], voters, outcome, plan.splits[sample_id], margins)
            yield samples[sample_id], lines, many[sample_id] - lines.judges
    for each in plan.preferences:
        yield *preferences.lines_of(each, plan.splits[each.number]), 0


def _counted(
    found: Iterator[tuple[Sample, Lines, int]], census: Census, credits: set[str]
) -> Iterator[tuple[Sample, Lines]]:
    for sample, lines, unable in found:
        census.add(lines, unable)
        if lines.sample is not None and sample.credit:
            credits.add(sample.credit)
        yield sample, lines


def _row(session: Session, seat: Seat, name: str) -> Dataset:
    session.execute(sa.select(Project.id).where(Project.id == seat.project.id).with_for_update())  # versions in a row
    version = queries.next_version(session, seat.project.id, name)
    dataset = Dataset(
        project_id=seat.project.id,
        name=name,
        version=version,
        settings={},
        counts={},
        sha256="",
        created_by=seat.user.id,
    )
    session.add(dataset)
    session.flush()
    return dataset


def _remove_on_rollback(session: Session, place: Path) -> None:
    """A folder whose row does not come through goes with it; one that was committed stays, whatever comes later."""
    ours = session.get_transaction()

    @sa.event.listens_for(session, "after_rollback", once=True)
    def remove(session: Session) -> None:
        if session.get_transaction() is ours:
            shutil.rmtree(place, ignore_errors=True)


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise BadFreeze(_("A dataset needs a name of at most 100 characters."), "name")
    return name


def _card(
    seat: Seat, name: str, counts: dict[str, Any], settings: dict[str, Any], credits: list[str]
) -> dict[str, Any]:
    """Neither version nor date: the same content has the same hash whenever it is frozen."""
    criteria = [criterion.name for criterion in seat.rubric.criteria]
    return {
        "name": name,
        "project": seat.project.name,
        "counts": counts,
        "settings": settings,
        "criteria": criteria,
        "credits": credits,
    }
