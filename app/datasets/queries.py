"""Every select of the datasets room; reads start from the seat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload, selectinload

from app.annotations.tables import Adjudication, Annotation, Review, Revision
from app.core.db import Session, among
from app.core.errors import NotFound
from app.datasets.pairs import Pair, key_of
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.samples.tables import Margin, Medium, Sample

BATCH = 200


class Ballot(NamedTuple):
    """An annotation at its latest revision, or a reviewer's decision over a sample."""

    sample_id: int
    author: str
    """ "a7" for annotation 7, "d5" for decision 5."""
    source: int
    """The id of the revision or the decision that has the content."""
    user_id: int
    verdict: str | None


class Ballots(NamedTuple):
    """Those that vote, by sample and in the order of their verdicts; the others counted by their state."""

    rows: list[Ballot]
    left_out: Counter[str]


def ballots(session: Session, project_id: int, takes: Sequence[str | None], decisions: bool) -> Ballots:
    """takes: the verdicts with which an annotation votes (None: waits for one).

    decisions: a sample that a reviewer decided over has that decision as its only voter.
    """
    newer = aliased(Revision)
    newest = sa.select(sa.func.max(newer.id)).where(newer.annotation_id == Annotation.id).scalar_subquery()
    rows = session.execute(
        sa.select(Annotation.sample_id, Annotation.id, Revision.id, Annotation.user_id, Review.verdict)
        .join(Revision, Revision.annotation_id == Annotation.id)
        .outerjoin(Review, Review.revision_id == Revision.id)
        .where(Annotation.project_id == project_id, Revision.id == newest)
        .order_by(Annotation.sample_id, Review.id.nulls_last(), Annotation.id)
    ).all()
    decided = _decisions(session, project_id) if decisions else {}
    voting, left_out = list(decided.values()), Counter[str]()
    for sample, annotation, revision, user, verdict in rows:
        if sample in decided:
            left_out["annotations_decided_over"] += 1
        elif verdict in takes:
            voting.append(Ballot(sample, f"a{annotation}", revision, user, verdict))
        else:
            left_out[LEFT_OUT[verdict]] += 1
    return Ballots(sorted(voting, key=lambda ballot: ballot.sample_id), left_out)


LEFT_OUT = {
    None: "annotations_waiting_for_a_verdict",
    "return": "annotations_sent_back",
    "reject": "annotations_rejected",
    "adjudicate": "annotations_decided_over",
    "reannotate": "annotations_set_aside",
}


def _decisions(session: Session, project_id: int) -> dict[int, Ballot]:
    """Sample → the decision that holds."""
    rows = session.execute(
        sa.select(Adjudication.sample_id, Adjudication.id, Adjudication.author_id)
        .where(Adjudication.project_id == project_id, Adjudication.set_aside_by_id.is_(None))
        .order_by(Adjudication.number)
    )
    return {sample: Ballot(sample, f"d{id}", id, author, DECISION) for sample, id, author in rows}


DECISION = "decision"


def by_sample(rows: list[Ballot]) -> Iterator[list[list[Ballot]]]:
    """Batches of samples' ballots."""
    grouped = (list(each) for _, each in groupby(rows, key=lambda row: row.sample_id))
    while batch := list(islice(grouped, BATCH)):
        yield batch


def contents(session: Session, rows: Iterable[Ballot]) -> dict[str, dict[str, Any]]:
    """Author → content."""
    of = {
        table: {row.source: row.author for row in rows if (row.verdict == DECISION) is (table is Adjudication)}
        for table in (Revision, Adjudication)
    }
    return {
        authors[id]: content
        for table, authors in of.items()
        if authors
        for id, content in session.execute(sa.select(table.id, table.content).where(table.id.in_(authors)))
    }


def samples(session: Session, ids: list[int]) -> dict[int, Sample]:
    query = sa.select(Sample).options(selectinload(Sample.media), selectinload(Sample.responses))
    return {row.id: row for row in session.scalars(query.where(Sample.id.in_(ids)))}


def margins(session: Session, sample_ids: list[int]) -> dict[Pair, float]:
    """The reward margins that came with the imported data, by pair."""
    query = sa.select(Margin.chosen_id, Margin.rejected_id, Margin.value).where(among(Margin.sample_id, sample_ids))
    return {Pair(key_of(chosen), key_of(rejected)): value for chosen, rejected, value in session.execute(query)}


def blobs_of(session: Session, project_id: int) -> dict[int, set[str]]:
    """Sample id → the SHA-256 of each of its pictures or frames."""
    rows = session.execute(
        sa.select(Medium.sample_id, Medium.blob_sha256).join(Sample).where(Sample.project_id == project_id)
    )
    found: dict[int, set[str]] = {}
    for sample_id, sha256 in rows:
        found.setdefault(sample_id, set()).add(sha256)
    return found


def datasets(session: Session, seat: Seat) -> list[Dataset]:
    """The project's datasets, newest first."""
    query = sa.select(Dataset).options(joinedload(Dataset.author)).where(Dataset.project_id == seat.project.id)
    return list(session.scalars(query.order_by(Dataset.id.desc())))


def dataset(session: Session, seat: Seat, dataset_id: int) -> Dataset:
    """A dataset of the seat's project. Raises NotFound."""
    row = session.scalar(
        sa.select(Dataset)
        .options(joinedload(Dataset.author))
        .where(Dataset.id == dataset_id, Dataset.project_id == seat.project.id)
    )
    if row is None:
        raise NotFound(where="dataset")
    return row


def next_version(session: Session, project_id: int, name: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(Dataset.version), 0) + 1)
    return session.scalar(query.where(Dataset.project_id == project_id, Dataset.name == name)) or 1


def first_media(session: Session, seat: Seat, sample_ids: list[int]) -> dict[int, int]:
    """Sample id → the id of its first picture."""
    rows = session.execute(
        sa.select(Medium.sample_id, Medium.id)
        .join(Sample)
        .where(Sample.project_id == seat.project.id, Medium.sample_id.in_(sample_ids), Medium.position == 0)
    )
    return {row.sample_id: row.id for row in rows}
