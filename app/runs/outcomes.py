"""Results of several runs as rows: shares with their intervals, and other figures as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from app.core import storage
from app.core.language import N_, told
from app.core.language import gettext as _
from app.runs import reading, results
from app.runs.intervals import Share, clustered, counted
from app.runs.kinds import read_jsonl
from app.runs.tables import Run

OVERALL = N_("all")
PARTS = ("by_category", "by_question_type", "by_domain")
"""Of which the first that an evaluation has is shown; the others slice the same pairs another way."""


@dataclass(frozen=True)
class Row:
    """One figure of every run, in the order of the runs: a share with its interval, a text, or None."""

    label: str
    cells: list[Share | str | None]

    @property
    def unlike(self) -> bool:
        """Whether two runs' intervals do not meet, so that they surely differ in this."""
        shares = [cell for cell in self.cells if isinstance(cell, Share)]
        return any(a.high < b.low for a in shares for b in shares)


@dataclass(frozen=True)
class Block:
    """Rows under one heading."""

    title: str
    rows: list[Row]

    @property
    def places(self) -> list[int]:
        """Which of the runs, counted from nought, left any of these figures."""
        many = len(self.rows[0].cells) if self.rows else 0
        return [place for place in range(many) if any(row.cells[place] is not None for row in self.rows)]


def blocks(runs: Sequence[Run]) -> list[Block]:
    """Every figure that at least one of the runs left."""
    said = [_shares(run) for run in runs]
    titles = dict.fromkeys(title for one in said for title in one)
    found = [Block(title, _rows([one.get(title, {}) for one in said])) for title in titles]
    numbers = [_numbers(run, bool(one)) for run, one in zip(runs, said, strict=True)]
    return [block for block in (*found, Block(_("Other figures"), _rows(numbers))) if block.rows]


def _rows(columns: Sequence[dict[str, Any]]) -> list[Row]:
    labels = dict.fromkeys(label for column in columns for label in column)
    return [Row(label, [column.get(label) for column in columns]) for label in labels]


def _numbers(run: Run, has_shares: bool) -> dict[str, str]:
    """The summary's numbers; shares are told with their intervals where the evaluation is there."""
    left = {name: value for name, value in (run.result or {}).items() if not (has_shares and results.is_share(name))}
    return dict(results.numbers(left))


def _shares(run: Run) -> dict[str, dict[str, Share]]:
    """Heading → label → share."""
    if run.result is None:
        return {}
    evaluation = reading.evaluation(run)
    tables = results.tables_of(run, evaluation)
    found = {_("Accuracy, %(title)s", title=told(title)): _table(table) for title, table in tables}
    if run.recipe == "score":
        found |= _scored(run)
    if wins := _wins(evaluation.get("wins") or {}):
        found[_("Policy against base")] = {_("Win rate"): wins}
    return {title: rows for title, rows in found.items() if rows}


def _table(table: dict[str, Any]) -> dict[str, Share]:
    """ACC and ACC+ over all and by part. Only counts are left here, so each sample's pairs are taken for one draw: the
    interval is never too narrow."""
    part: dict[str, Any] = next((table[name] for name in PARTS if table.get(name)), {})
    found: dict[str, Share] = {}
    for name, row in {OVERALL: table["overall"], **part}.items():
        if row["pairs"] and row["acc"] is not None:
            found[_label("ACC", name)] = counted(row["acc"], row["pairs"], row["samples"])
            found[_label("ACC+", name)] = counted(row["acc_plus"], row["samples"])
    return found


def _label(measure: str, part: str) -> str:
    return measure if part == OVERALL else f"{measure}, {told(part)}"


def _scored(run: Run) -> dict[str, dict[str, Share]]:
    """A score run left every pair's margin, so the interval of all pairs is computed from the samples themselves."""
    rows = read_jsonl(storage.run_folder(run.id) / "output" / "margins.jsonl", MOST_PAIRS)
    known = [row for row in rows if row["margin"] is not None]
    known.sort(key=lambda row: str(row["sample"]))
    groups = [[row["margin"] > 0 for row in sample] for _key, sample in groupby(known, lambda row: row["sample"])]
    share = clustered(groups)
    return {_("Accuracy, all scored pairs"): {"ACC": share}} if share else {}


MOST_PAIRS = 200_000
"""Lines of margins that a page reads."""


def _wins(wins: dict[str, Any]) -> Share | None:
    many = sum(wins.get(name, 0) for name in ("win", "tie", "loss"))
    return counted(wins["win_rate"], many) if many else None
