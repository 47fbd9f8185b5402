"""Results of several runs as rows: shares with their intervals, and other figures as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.language import N_, told
from app.core.language import gettext as _
from app.runs import reading, results
from app.runs.intervals import Counts, Gain, Share, clustered, counted, gain
from app.runs.tables import Run

OVERALL = N_("all")
PARTS = ("by_category", "by_question_type", "by_domain")
"""Of which the first that an evaluation has is shown; the others slice the same pairs another way."""


@dataclass(frozen=True)
class Row:
    """One figure of every run, in the order of the runs: a share or a gain with its interval, a text, or None."""

    label: str
    cells: list[Share | Gain | str | None]

    @property
    def unlike(self) -> bool:
        """Whether runs surely differ in this: two shares' intervals do not meet, or a gain's leaves nought out."""
        shares = [cell for cell in self.cells if isinstance(cell, Share)]
        gains = [cell for cell in self.cells if isinstance(cell, Gain)]
        return any(a.high < b.low for a in shares for b in shares) or any(each.sure for each in gains)


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


@dataclass(frozen=True)
class Told:
    """What one run says under one heading: label → share, and its counts by sample where it left them."""

    shares: dict[str, Share]
    counts: Counts


def blocks(runs: Sequence[Run]) -> list[Block]:
    """Every figure that at least one of the runs left."""
    said = [_told(run) for run in runs]
    titles = dict.fromkeys(title for one in said for title in one)
    found = [_block(runs, title, [one.get(title) for one in said]) for title in titles]
    numbers = [_numbers(run, bool(one)) for run, one in zip(runs, said, strict=True)]
    return [block for block in (*found, Block(_("Other figures"), _rows(numbers))) if block.rows]


def _block(runs: Sequence[Run], title: str, columns: Sequence[Told | None]) -> Block:
    rows = _rows([column.shares if column else {} for column in columns])
    gains = _gains(runs, columns)
    return Block(title, [*rows[:1], *gains, *rows[1:]])


def _gains(runs: Sequence[Run], columns: Sequence[Told | None]) -> list[Row]:
    """Each run's gain over the first that counted the same pairs."""
    first = next((place for place, column in enumerate(columns) if column and column.counts), None)
    if first is None:
        return []
    before = columns[first]
    cells: list[Share | Gain | str | None] = [
        gain(before.counts, column.counts) if before and column and place > first else None
        for place, column in enumerate(columns)
    ]
    return [Row(_("ACC, gain over #%(id)s", id=runs[first].id), cells)] if any(cells) else []


def _rows(columns: Sequence[Mapping[str, Share | str]]) -> list[Row]:
    labels = dict.fromkeys(label for column in columns for label in column)
    return [Row(label, [column.get(label) for column in columns]) for label in labels]


def _numbers(run: Run, has_shares: bool) -> dict[str, str]:
    """The summary's numbers; shares are told with their intervals where the evaluation is there."""
    left = {name: value for name, value in (run.result or {}).items() if not (has_shares and results.is_share(name))}
    return dict(results.numbers(left))


def _told(run: Run) -> dict[str, Told]:
    """Heading → what the run says under it."""
    if run.result is None:
        return {}
    evaluation = reading.evaluation(run)
    tables = results.tables_of(run, evaluation)
    found = {_("Accuracy, %(title)s", title=told(title)): _table(table) for title, table in tables}
    if wins := _wins(evaluation.get("wins") or {}):
        found[_("Policy against base")] = Told({_("Win rate"): wins}, {})
    return {title: one for title, one in found.items() if one.shares}


def _table(table: dict[str, Any]) -> Told:
    """ACC and ACC+ over all and by part. Where only sums are left, each sample's pairs are taken for one draw, so that
    the interval is never too narrow.
    """
    part: dict[str, Any] = next((table[name] for name in PARTS if table.get(name)), {})
    counts: Counts = table.get("by_sample", {})
    found: dict[str, Share] = {}
    for name, row in {OVERALL: table["overall"], **part}.items():
        if row["pairs"] and row["acc"] is not None:
            exact = clustered(counts) if name == OVERALL else None
            found[_label("ACC", name)] = exact or counted(row["acc"], row["pairs"], row["samples"])
            found[_label("ACC+", name)] = counted(row["acc_plus"], row["samples"])
    return Told(found, counts)


def _label(measure: str, part: str) -> str:
    return measure if part == OVERALL else f"{measure}, {told(part)}"


def _wins(wins: dict[str, Any]) -> Share | None:
    many = sum(wins.get(name, 0) for name in ("win", "tie", "loss"))
    return counted(wins["win_rate"], many) if many else None
