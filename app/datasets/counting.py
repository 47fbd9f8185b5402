"""What is inside a dataset, counted: for its card, and before it is frozen."""

from __future__ import annotations

from collections import Counter
from typing import Any

from app.datasets.lines import Lines

SPLITS = ("train", "held_out")


class Census:
    """Counts samples, pairs and annotations as they go by."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.parts: dict[str, dict[str, Counter[str]]] = {"split": {}, "question_type": {}, "domain": {}}
        self.dangers: dict[str, Counter[str]] = {}

    def add(self, lines: Lines, unable: int) -> None:
        """unable: annotations of the sample that could not judge it."""
        self.left_out += lines.fallen
        self.left_out["annotations_that_could_not_judge"] += unable
        if lines.sample is None:
            return
        responses = lines.sample["responses"]
        counts = Counter(
            samples=1,
            pairs=len(lines.pairs),
            responses=len(responses),
            annotations=lines.judges,
            ties=int(lines.sample["tie"]),
            reasons=sum(bool(each["critique"].strip()) for each in responses),
            positives=sum(each["origin"] == "positive" for each in responses),
            negatives=sum(each["origin"] == "negative" for each in responses),
            margins=len(lines.margins),
            playground=int(lines.sample.get("origin") == "playground"),
        )
        self.totals += counts
        for part, groups in self.parts.items():
            groups.setdefault(lines.sample[part], Counter()).update(samples=1, pairs=len(lines.pairs))
        if danger := lines.sample.get("danger"):
            self.dangers.setdefault(danger, Counter()).update(samples=1, pairs=len(lines.pairs))

    def as_left_out(self, before: Counter[str]) -> dict[str, int]:
        """before: what was left out before any pair was looked at."""
        return {name: count for name, count in sorted((self.left_out + before).items()) if count}

    def as_counts(self) -> dict[str, Any]:
        """Totals, then samples and pairs of each split, question type and domain."""
        names = ("samples", "pairs", "responses", "annotations", "ties", "reasons", "positives", "negatives")
        splits = {each: self._pair_of(self.parts["split"].get(each, Counter())) for each in SPLITS}
        return {
            **{name: self.totals[name] for name in names},
            **{name: self.totals[name] for name in ("margins", "playground") if self.totals[name]},
            **splits,
            "by_question_type": self._sorted("question_type"),
            "by_domain": self._sorted("domain"),
            **self._by_danger(),
        }

    def _by_danger(self) -> dict[str, Any]:
        """Of safety samples whose danger is told; nothing where there is none."""
        found = {name: self._pair_of(counts) for name, counts in sorted(self.dangers.items())}
        return {"by_danger": found} if found else {}

    def _sorted(self, part: str) -> dict[str, dict[str, int]]:
        return {name: self._pair_of(counts) for name, counts in sorted(self.parts[part].items())}

    @staticmethod
    def _pair_of(counts: Counter[str]) -> dict[str, int]:
        return {"samples": counts["samples"], "pairs": counts["pairs"]}
