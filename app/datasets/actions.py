"""Freeze accepted annotations into a dataset: pairs and samples as files that never change again."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from app.accounts.actions import audit
from app.annotations.schemas import Content
from app.annotations.tables import Annotation
from app.core import storage
from app.core.db import Session
from app.core.errors import Invalid
from app.datasets import folder, pairs, queries, split
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.projects.rubric import Rubric

ACCEPTED = ("accepted", "corrected")


class NoPairs(Invalid):
    """Nothing to learn from: no accepted annotation prefers one response to another."""

    advice = "Have reviewers accept annotations whose responses are not all tied, then freeze again."


class BadDataset(Invalid):
    """A setting of the dataset that is out of bounds."""


@dataclass
class Selection:
    """What would be frozen: a line a sample, a line a pair, and the counts."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    blobs: dict[str, str] = field(default_factory=dict)
    """Path in the folder → SHA-256 of the blob."""
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> dict[str, Any]:
        split_of = {sample["id"]: sample["split"] for sample in self.samples}
        return {
            "samples": len(self.samples),
            "responses": sum(len(sample["responses"]) for sample in self.samples),
            "pairs": len(self.pairs),
            "held_out_samples": sum(side == "held_out" for side in split_of.values()),
            "held_out_pairs": sum(pair["split"] == "held_out" for pair in self.pairs),
            "by_type": dict(sorted(Counter(sample["question_type"] for sample in self.samples).items())),
            "by_domain": dict(sorted(Counter(sample["domain"] for sample in self.samples).items())),
            "constructed": sum(r["origin"] != "model" for sample in self.samples for r in sample["responses"]),
            "left_out": dict(sorted(self.left_out.items())),
        }


def select(session: Session, seat: Seat, held_out_share: float = 0.2, seed: int = 0) -> Selection:
    """What a freeze would hold now; nothing is written. Raises BadDataset."""
    if not 0 <= held_out_share <= 0.9:
        raise BadDataset(f"The held-out share lies between 0 and 0.9, not {held_out_share}.", "held_out_share")
    selection = Selection()
    for _, rows in groupby(queries.judged(session, seat.project.id), key=lambda row: row.sample_id):
        _add_sample(selection, list(rows), seat.rubric)
    _split(selection, held_out_share, seed)
    return selection


def _add_sample(selection: Selection, rows: list[Annotation], rubric: Rubric) -> None:
    accepted = [row for row in rows if row.state in ACCEPTED]
    selection.left_out.update(f"{row.state} annotation" for row in rows if row.state not in ACCEPTED)
    judgements = [(row.id, Content.model_validate(row.latest.content)) for row in accepted]
    selection.left_out.update("could not be judged" for _, content in judgements if content.cannot_judge)
    judgements = [(number, content) for number, content in judgements if not content.cannot_judge]
    outcome = pairs.vote(judgements)
    selection.left_out["pair on which annotators split evenly"] += outcome.contested
    if not outcome.pairs:
        selection.left_out["sample without a pair"] += bool(judgements)
        return
    line, blobs = folder.sample_line(accepted[0].sample, judgements, rubric)
    selection.samples.append(line)
    selection.blobs |= blobs
    selection.pairs += [{"sample": line["id"], **pair._asdict()} for pair in outcome.pairs]


def _split(selection: Selection, share: float, seed: int) -> None:
    selection.left_out = +selection.left_out  # drops what was counted as zero
    items = [
        split.Item(line["id"], frozenset(medium["path"] for medium in line["media"])) for line in selection.samples
    ]
    held_out = split.held_out(items, share, seed)
    for line in selection.samples:
        line["split"] = "held_out" if line["id"] in held_out else "train"
    for pair in selection.pairs:
        pair["split"] = "held_out" if pair["sample"] in held_out else "train"


def freeze(session: Session, seat: Seat, name: str, held_out_share: float = 0.2, seed: int = 0) -> Dataset:
    """Write the folder and its row. Raises NoPairs, BadDataset; then nothing is left behind."""
    if not name.strip() or len(name) > 100:
        raise BadDataset("A dataset needs a name of 1 to 100 characters.", "name")
    selection = select(session, seat, held_out_share, seed)
    if not selection.pairs:
        raise NoPairs("No accepted annotation prefers one response to another yet.", "annotations")
    name = name.strip()
    dataset = Dataset(
        project_id=seat.project.id,
        name=name,
        version=queries.next_version(session, seat.project.id, name),
        settings={"held_out_share": held_out_share, "seed": seed},
        counts=selection.counts,
        sha256="",
        created_by=seat.user.id,
    )
    session.add(dataset)
    session.flush()
    dataset.sha256 = _write(dataset, selection, seat)
    audit(session, seat.user, "dataset.frozen", f"dataset {dataset.id}", seat.project.id, sha256=dataset.sha256)
    return dataset


def _write(dataset: Dataset, selection: Selection, seat: Seat) -> str:
    place = storage.dataset_folder(dataset.id)
    shutil.rmtree(place, ignore_errors=True)  # what a freeze that never committed may have left under this id
    card = {
        "name": dataset.name,
        "version": dataset.version,
        "project": seat.project.name,
        "settings": dataset.settings,
        "counts": dataset.counts,
        "rubric": seat.rubric.model_dump(),
    }
    try:
        return folder.write(place, selection.samples, selection.pairs, selection.blobs, card)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def sample_id_of(key: str) -> int:
    """The database id behind a sample's key such as s12."""
    return int(key.removeprefix("s"))


