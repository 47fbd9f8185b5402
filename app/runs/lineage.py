"""What a run or a dataset came from and what came from it, as a graph: samples, judgements, datasets, runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.core.db import Session, among
from app.core.language import N_, ngettext, told
from app.core.language import gettext as _
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.runs import layering, queries, registry
from app.runs.kinds import KINDS
from app.runs.layering import Drawing, Edge, Key
from app.runs.tables import Checkpoint, Run, RunInput

MOST = 60
"""Nodes of one drawing, the nearest ones."""

SAMPLES, JUDGEMENTS = "samples", "judgements"
FITS = 18
"""Narrow letters that fit into a node."""


@dataclass(frozen=True)
class Node:
    """One thing of the graph: a name of one or two lines in its box and one below, its whole words, where it leads."""

    key: Key
    head: list[str]
    line: str
    words: str
    href: str
    own: bool = False


@dataclass(frozen=True)
class Lineage:
    """A drawing with what stands in its boxes; `left_out` further things did not fit."""

    drawing: Drawing
    nodes: list[Node]
    left_out: int


def of_run(session: Session, seat: Seat, run_id: int) -> Lineage:
    return _lineage(session, seat, _run_key(run_id))


def of_dataset(session: Session, seat: Seat, dataset: Dataset) -> Lineage:
    return _lineage(session, seat, _dataset_key(dataset.id))


def _run_key(number: int) -> Key:
    return f"r{number}"


def _dataset_key(number: int) -> Key:
    return f"d{number}"


def _lineage(session: Session, seat: Seat, own: Key) -> Lineage:
    links = edges(session, seat)
    ends = {key for edge in links for key in edge} | {own}
    links += [(JUDGEMENTS, key) for key in sorted(ends) if key.startswith("d")] + [(SAMPLES, JUDGEMENTS)]
    kept, left_out = layering.around(own, links, MOST)
    nodes = _nodes(session, seat, kept, own)
    shown = {node.key for node in nodes}
    inside = [edge for edge in links if shown.issuperset(edge)]
    return Lineage(layering.draw([node.key for node in nodes], inside), nodes, left_out)


def edges(session: Session, seat: Seat) -> list[Edge]:
    """From what was read to what read it, over the whole project."""
    rows = session.execute(
        sa.select(RunInput.run_id, RunInput.dataset_id, RunInput.from_run_id)
        .join(Run, RunInput.run_id == Run.id)
        .where(Run.project_id == seat.project.id)
        .order_by(RunInput.id)
    )
    read = [(_run_key(source) if source else _dataset_key(data or 0), _run_key(run)) for run, data, source in rows]
    begun = queries.begun_from(session, seat.project.id)
    return list(dict.fromkeys([*read, *((_run_key(source), _run_key(run)) for source, run in begun)]))


def _nodes(session: Session, seat: Seat, kept: set[Key], own: Key) -> list[Node]:
    datasets = _datasets(session, seat, _numbers(kept, "d"))
    runs = _runs(session, seat, _numbers(kept, "r"))
    found = _origins(seat, kept, datasets)
    found += [_dataset_node(seat, each, own) for each in datasets]
    return found + [_run_node(seat, each, own) for each in runs]


def _numbers(kept: set[Key], letter: str) -> list[int]:
    return sorted(int(key[1:]) for key in kept if re.fullmatch(rf"{letter}\d+", key))


def _datasets(session: Session, seat: Seat, ids: list[int]) -> list[Dataset]:
    query = sa.select(Dataset).where(among(Dataset.id, ids), Dataset.project_id == seat.project.id)
    return list(session.scalars(query.order_by(Dataset.id)))


def _runs(session: Session, seat: Seat, ids: list[int]) -> list[Run]:
    checkpoints = selectinload(Run.checkpoints)
    history = checkpoints.joinedload(Checkpoint.deletion), checkpoints.selectinload(Checkpoint.promotions)
    query = sa.select(Run).options(joinedload(Run.cancellation), *history).where(among(Run.id, ids))
    return list(session.scalars(query.where(Run.project_id == seat.project.id).order_by(Run.id)))


def _origins(seat: Seat, kept: set[Key], datasets: Sequence[Dataset]) -> list[Node]:
    """Where all data come from; counted where one dataset alone is drawn."""
    at = f"/projects/{seat.project.slug}"
    accepted = f"{at}/reviews?state=accepted"
    only = datasets[0].counts if len(datasets) == 1 else {}
    many, judged = only.get("samples"), only.get("annotations")
    samples = ngettext("%(num)s sample", "%(num)s samples", many) if many is not None else ""
    judgements = ngettext("%(num)s judgement", "%(num)s judgements", judged) if judged is not None else ""
    heads = {SAMPLES: _("Samples"), JUDGEMENTS: _("Judgements")}
    nodes = [
        Node(SAMPLES, [heads[SAMPLES]], samples, _words(heads[SAMPLES], samples), f"{at}/samples"),
        Node(JUDGEMENTS, [heads[JUDGEMENTS]], judgements, _words(heads[JUDGEMENTS], judgements), accepted),
    ]
    return [node for node in nodes if node.key in kept]


def _dataset_node(seat: Seat, dataset: Dataset, own: Key) -> Node:
    name = _("%(name)s, version %(version)s", name=dataset.name, version=dataset.version)
    pairs = ngettext("%(num)s pair", "%(num)s pairs", dataset.counts.get("pairs") or 0)
    line = _("Dataset · %(pairs)s", pairs=pairs)
    key = _dataset_key(dataset.id)
    href = f"/projects/{seat.project.slug}/datasets/{dataset.id}"
    return Node(key, in_lines(name), fitted(line, FITS + 4), _words(name, line), href, key == own)


def _run_node(seat: Seat, run: Run, own: Key) -> Node:
    state, title = _state_of(run), told(KINDS[run.recipe].title)
    # What is done is not said in the box: the others should be seen.
    line = f"#{run.id} · {title}" if state == "done" else f"#{run.id} · {told(state)} · {title}"
    words = _words(run.name, f"#{run.id} · {told(state)} · {title}")
    key = _run_key(run.id)
    href = f"/projects/{seat.project.slug}/runs/{run.id}"
    return Node(key, in_lines(run.name), fitted(line, FITS + 4), words, href, key == own)


def _state_of(run: Run) -> str:
    """How the run stands; where it left a checkpoint that was promoted or deleted, how that stands."""
    if any(each.deletion for each in run.checkpoints):
        return N_("deleted")
    standings = [promotion.standing for each in run.checkpoints if (promotion := registry.standing_of(each))]
    return standings[0] if standings else queries.state_of(run)


def _words(name: str, line: str) -> str:
    return f"{name}: {line}" if line else name


def in_lines(text: str) -> list[str]:
    """The text over one line or two, broken between words where that is possible; what is left over is cut."""
    if fitted(text) == text:
        return [text]
    first = _fits(text, FITS)
    space = text.rfind(" ", 1, first + 1)
    place = space if space > first // 2 else first
    return [text[:place].rstrip(), fitted(text[place:].lstrip())]


def fitted(text: str, room: int = FITS) -> str:
    """The text, cut where it would leave its box."""
    place = _fits(text, room)
    return text if place == len(text) else text[: place - 1].rstrip() + "…"


def _fits(text: str, room: int) -> int:
    """How many of its letters fit; a Chinese character is as wide as two letters."""
    used = 0
    for place, letter in enumerate(text):
        used += 2 if east_asian_width(letter) in "WF" else 1
        if used > room:
            return place
    return len(text)
