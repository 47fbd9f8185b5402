"""What looks wrong in a run's curves, as pure functions of their points: notes for people, never a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from app.core.language import gettext as _
from app.runs.intervals import wilson

Values = Sequence[float | None]
"""One curve by step; None where the number was not finite."""

BEFORE = 20
"""Steps that say how a loss usually is."""
SPIKE = 10.0
"""Times the usual distance from the median that make a spike, if the loss more than doubled, too."""
RECENT = 10
"""Steps that say how it is now."""
COLLAPSED = 0.1
"""Share of its best mean that a margin falls below."""


class Curves(NamedTuple):
    """What is looked at. held_out_pairs: how many pairs an evaluation counts; 0 where that is not known."""

    train: Mapping[str, Values]
    held_out: Mapping[str, Values]
    config: Mapping[str, Any]
    held_out_pairs: int = 0


def notes(curves: Curves) -> list[str]:
    """A sentence for each thing that looks wrong, the gravest first."""
    found = (not_finite(curves), spiked(curves), at_chance(curves), at_bound(curves), collapsed(curves))
    return [note for note in found if note]


def not_finite(curves: Curves) -> str:
    lost = [name for name, values in sorted(curves.train.items()) if "loss" in name and None in values]
    return _("%(names)s was not a finite number.", names=", ".join(lost)) if lost else ""


def spiked(curves: Curves) -> str:
    """The loss rose far above what the steps before had, among the last RECENT steps."""
    known = [value for value in curves.train.get("loss", ()) if value is not None]
    for place in range(max(BEFORE, len(known) - RECENT), len(known)):
        before, value = known[place - BEFORE : place], known[place]
        usual = median(before)
        distance = median(abs(each - usual) for each in before)
        if value > usual + SPIKE * distance and value > 2 * usual > 0:
            return _("The loss rose to %(value)s, from %(usual)s usually.", value=f"{value:.3g}", usual=f"{usual:.3g}")
    return ""


def at_chance(curves: Curves) -> str:
    """The last held-out accuracy cannot be told from a coin's by its Wilson interval."""
    known = [value for value in curves.held_out.get("accuracy", ()) if value is not None]
    if not known or not curves.held_out_pairs:
        return ""
    low, high = wilson(known[-1], curves.held_out_pairs)
    if not low <= 0.5 <= high:
        return ""
    told = {"accuracy": f"{known[-1]:.2f}", "low": f"{low:.2f}", "high": f"{high:.2f}", "pairs": curves.held_out_pairs}
    return _(
        "Held-out accuracy %(accuracy)s is not told from chance (95 %% interval %(low)s to %(high)s, %(pairs)s pairs).",
        **told,
    )


def at_bound(curves: Curves) -> str:
    """β is at its most for every pair of the last RECENT steps: it no longer tells margins apart."""
    lows = [value for value in curves.train.get("beta_min", ()) if value is not None][-RECENT:]
    beta, w = curves.config.get("beta"), curves.config.get("w")
    if len(lows) < RECENT or not beta or not w:
        return ""
    bound = beta * (1 + w)
    if min(lows) < beta + 0.99 * (bound - beta):
        return ""
    return _("β is at its bound %(bound)s for every pair: margins are too large for k.", bound=f"{bound:.3g}")


def collapsed(curves: Curves) -> str:
    """The mean margin of the last RECENT steps is a small share of the best mean of as many steps before."""
    name = "reward_margin" if "reward_margin" in curves.train else "margin"
    known = [value for value in curves.train.get(name, ()) if value is not None]
    means = [sum(known[at : at + RECENT]) / RECENT for at in range(len(known) - RECENT + 1)]
    if len(means) <= RECENT or max(means) <= 0 or means[-1] >= COLLAPSED * max(means):
        return ""
    return _(
        "Reward margins collapsed: %(now)s on average, from %(best)s at their best.",
        now=f"{means[-1]:.2g}",
        best=f"{max(means):.2g}",
    )
