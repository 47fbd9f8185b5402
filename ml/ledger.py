"""The responses of a run of `generate`: a line each, on disk before the next thing is done, and their tallies."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ml import fence
from ml.asked import Asked
from ml.chat import FAILED
from ml.folder import RunFolder, as_json, ends_whole, read_lines, write_text

EVERY = 1.0
"""Seconds between two lines of progress: a page that watches needs no more, and thousands a minute would drown it."""


@dataclass
class Tally:
    """What one model has done so far. failed counts pairs of model and sample that still have no answer."""

    name: str
    asked: int
    ok: int = 0
    refused: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    given_up: str = ""


class Ledger:
    """responses.jsonl and models.json, for several threads.

    They lie beside the output, not in it: so another machine that goes on with the run has them too.
    """

    def __init__(self, folder: RunFolder, models: Sequence[Asked], wanted: dict[str, int]) -> None:
        """wanted: by model, how many samples it is asked about."""
        self.folder = folder
        self.path = folder.path / "responses.jsonl"
        self.tallies = {each.name: Tally(each.name, wanted.get(each.name, 0)) for each in models}
        self.failed: set[tuple[str, str]] = set()
        self.done: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._last_fault = ""
        self._priced = False
        self._shown, self._begun, self._fresh = 0.0, time.monotonic(), 0
        for row in read_lines(self.path):
            self._count(row)

    def add(self, row: dict[str, Any]) -> None:
        """Raises Superseded."""
        with self._lock:
            with fence.held(self.path), self.path.open("ab") as file:
                file.write((b"" if ends_whole(self.path) else b"\n") + (as_json(row) + "\n").encode())
                file.flush()
                os.fsync(file.fileno())
            self._count(row)
            self._fresh += 1
            if time.monotonic() - self._shown > EVERY:
                self._show()

    def give_up(self, name: str, fault: str) -> None:
        with self._lock:
            self.tallies[name].given_up = fault
            self.folder.note(f"{name} is not asked any more: {fault}", "warning")

    def show(self) -> None:
        with self._lock:
            self._show()

    def why(self) -> str:
        """The reasons for which models were given up, or what was last at fault."""
        found = [f"{each.name}: {each.given_up}" for each in self.tallies.values() if each.given_up]
        return "; ".join(found) or self._last_fault or "no reason was given"

    def result(self) -> dict[str, Any]:
        rows = list(self.tallies.values())
        return {
            "responses": sum(each.ok + each.refused for each in rows),
            "refused": sum(each.refused for each in rows),
            "failed": len(self.failed),
            "tokens_in": sum(each.tokens_in for each in rows),
            "tokens_out": sum(each.tokens_out for each in rows),
            "cost": round(sum(each.cost for each in rows), 6) if self._priced else None,
        }

    def _count(self, row: dict[str, Any]) -> None:
        key, tally = (row["sample"], row["model"]), self.tallies.get(row["model"])
        failed, before = row["state"] == FAILED, key in self.failed
        (self.failed.add if failed else self.failed.discard)(key)
        if not failed:
            self.done.add(key)
        if tally is None:
            return
        self._last_fault = row.get("fault") or self._last_fault
        tally.failed += int(failed) - int(before)
        tally.ok += row["state"] == "ok"
        tally.refused += row["state"] == "refused"
        tally.tokens_in += row.get("tokens_in") or 0
        tally.tokens_out += row.get("tokens_out") or 0
        tally.cost += row.get("cost") or 0.0
        self._priced |= row.get("cost") is not None

    def _show(self) -> None:
        self._shown = time.monotonic()
        rows = [asdict(each) for each in self.tallies.values()]
        write_text(self.folder.path / "models.json", as_json(rows) + "\n")
        done, total = len(self.done) + len(self.failed - self.done), sum(each.asked for each in self.tallies.values())
        minutes = max(time.monotonic() - self._begun, 1e-3) / 60
        result = self.result()
        values = {"responses_per_minute": self._fresh / minutes, "tokens_out": result["tokens_out"]}
        self.folder.metric(done, "generate", values | ({"cost": result["cost"]} if result["cost"] else {}))
        self.folder.progress("generate", done, max(total, done))
