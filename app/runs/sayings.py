"""What several runs said of the same sample: outputs, critiques and rewards, each from where its recipe leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from app.core import storage
from app.core.db import Session
from app.core.language import N_
from app.core.language import gettext as _
from app.runs import queries, reading, results
from app.runs.lines import read_jsonl
from app.runs.tables import Run

PAGE = 10
"""Samples of a page."""

MOST_LINES = 20_000
"""Lines of a run's output that are read to find what was said of a sample."""


class Saying(NamedTuple):
    """One text of a run about a sample: by whom or of what, the text, its critique and its reward."""

    of: str
    text: str
    critique: str = ""
    reward: float | None = None


Found = Iterator[tuple[str, Saying]]


@dataclass(frozen=True)
class Beside:
    """A sample and what each run said of it, in the order of the runs."""

    sample: str
    prompt: str
    columns: list[list[Saying]]

    @property
    def number(self) -> int:
        return int(self.sample[1:])


def beside(session: Session, runs: Sequence[Run], begin: int = 0) -> tuple[list[Beside], int]:
    """A page of the samples that at least two of the runs spoke of, from the `begin`-th on; and how many there are."""
    columns = [_by_sample(session, run) for run in runs]
    keys = dict.fromkeys(key for column in columns for key in column if _is_key(key))
    shared = sorted((key for key in keys if sum(key in column for column in columns) > 1), key=lambda key: int(key[1:]))
    rows = [
        Beside(key, _prompt(runs, key), [column.get(key, []) for column in columns])
        for key in shared[begin : begin + PAGE]
    ]
    return rows, len(shared)


def _is_key(key: str) -> bool:
    """Samples of the platform are "s" and a number; a folder made by hand may call them anything."""
    return key[:1] == "s" and key[1:].isdecimal() and key.isascii()


def _prompt(runs: Sequence[Run], key: str) -> str:
    said = (reading.prompt_of(dataset, key) for run in runs if (dataset := results.dataset_of(run)))
    return next((prompt for prompt in said if prompt != key), key)


def _by_sample(session: Session, run: Run) -> dict[str, list[Saying]]:
    found: dict[str, list[Saying]] = {}
    for key, saying in LEFT[run.recipe](session, run):
        found.setdefault(key, []).append(saying)
    return found


def _lines(run: Run, name: str) -> Iterator[dict[str, Any]]:
    path: Path = storage.run_folder(run.id) / "output" / name
    return islice(read_jsonl(path), MOST_LINES)


def _outputs(session: Session, run: Run) -> Found:
    for row in _lines(run, "outputs.jsonl"):
        for side, of in SIDES.items():
            yield row["sample"], Saying(of, row[side]["text"], row[side]["critique"], row[side]["reward"])


SIDES = {"policy": N_("the policy's output"), "base": N_("its base's output")}


def _critiques(session: Session, run: Run) -> Found:
    for row in _lines(run, "critiques.jsonl"):
        yield row["sample"], Saying(_quoted(run, row), row["text"])


def _rewards(session: Session, run: Run) -> Found:
    for row in _lines(run, "rewards.jsonl"):
        yield row["sample"], Saying(_quoted(run, row), "", row["critique"], row["reward"])


def _quoted(run: Run, row: dict[str, Any]) -> str:
    """The response that is spoken of, by its own first words."""
    text = reading.response_text(results.dataset_of(run), row["sample"], row["response"])
    words = " ".join(text.split())
    return _("of “%(text)s”", text=words if len(words) <= 60 else f"{words[:60].rstrip()}…")


def _shown(session: Session, run: Run) -> Found:
    """While it trained, a run showed some samples; the last time counts."""
    last: dict[str, Saying] = {}
    for row in queries.last_of_kind(session, run.id, "sample", 200):
        if key := row.payload.get("sample_id"):
            last[key] = Saying(_("at step %(step)s", step=row.payload.get("step", "–")), str(row.payload["text"]))
    yield from last.items()


LEFT: dict[str, Callable[[Session, Run], Found]] = {
    "cluster": _shown,
    "generate": _shown,
    "expand": _critiques,
    "reward": _shown,
    "score": _rewards,
    "mm_dpo": _shown,
    "evaluate": _outputs,
}
"""Recipe → where its runs leave what they say."""
