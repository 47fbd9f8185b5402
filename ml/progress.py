"""What training remembers of its own curves: smoothed values, the best held-out accuracy, and how stale it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

SMOOTHED = ("loss", "accuracy")
"""Curves that are worth smoothing; the others follow them."""


@dataclass
class Curves:
    """Kept in checkpoints, so that a resumed run goes on as if it had not stopped."""

    smooth: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    """Evaluations in a row that were no better."""

    def smoothed(self, values: dict[str, float], weight: float) -> dict[str, float]:
        """Exponential moving averages of loss and accuracy, `weight` of them the past; empty where it is 0."""
        if not weight:
            return {}
        for name in SMOOTHED:
            before = self.smooth.get(name, values[name])
            self.smooth[name] = weight * before + (1 - weight) * values[name]
        return {f"{name}_ema": self.smooth[name] for name in SMOOTHED}

    def judge(self, step: int, accuracy: float) -> bool:
        """Whether this evaluation is the best yet."""
        better = self.best is None or accuracy > self.best
        if better:
            self.best, self.best_step, self.stale = accuracy, step, 0
        else:
            self.stale += 1
        return better

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
