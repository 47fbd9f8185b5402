"""What a run left, as its page shows it: by recipe, from the files of its output and its critiques."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core import storage
from app.core.db import Session
from app.core.language import N_
from app.core.language import gettext as _
from app.runs import clustering, queries, reading, responding
from app.runs.spread import spread
from app.runs.tables import Run

LABELS = {
    "expanded": N_("Expanded critiques"),
    "win_rate": N_("Win rate"),
    "accuracy": N_("Accuracy"),
    "acc_plus": "ACC+",
    "acc_given": N_("ACC, critiques given"),
    "acc_plus_given": N_("ACC+, critiques given"),
    "acc_own": N_("ACC, own critiques"),
    "acc_plus_own": N_("ACC+, own critiques"),
    "acc_none": N_("ACC, no critiques"),
    "acc_plus_none": N_("ACC+, no critiques"),
    "acc_train": N_("ACC, training samples"),
    "acc_held_out": N_("ACC, held-out samples"),
    "contradicted": N_("Contradicted pairs"),
    "mean_margin": N_("Mean margin δ"),
    "smallest_margin": N_("Smallest margin δ"),
    "largest_margin": N_("Largest margin δ"),
    "pairs": N_("Pairs"),
    "samples": N_("Samples"),
    "responses": N_("Responses"),
    "refused": N_("Refused"),
    "failed": N_("Failed"),
    "tokens_in": N_("Tokens read"),
    "tokens_out": N_("Tokens written"),
    "cost": N_("Cost"),
    "pictures": N_("Different pictures"),
    "unreadable": N_("Pictures that cannot be read"),
    "clusters": N_("Clusters"),
    "largest_cluster": N_("Samples of the largest cluster"),
    "smallest_cluster": N_("Samples of the smallest cluster"),
    "near_duplicates": N_("Near-duplicates"),
    "inertia": N_("Mean squared distance to the centre"),
    "steps": N_("Steps"),
    "reward_margin": N_("Reward margin"),
    "policy_accuracy": N_("Policy accuracy"),
}


MODES = ("acc_given", "acc_own", "acc_none")
"""Accuracy by which critiques a reward model was given."""


def log_path(run: Run) -> Path:
    return storage.run_folder(run.id) / "log.txt"


def shown(session: Session, run: Run, after: int) -> dict[str, Any]:
    """The variables of the page's result parts; empty ones where the recipe leaves no such thing."""
    found: dict[str, Any] = {
        "numbers": numbers(run.result or {}),
        "tables": [],
        "outputs": [],
        "wins": {},
        "contradicted": [],
        "spread": None,
        "critiques": [],
        "answers": {},
        "more": None,
        "dataset_id": dataset_of(run),
        "prompt_of": reading.prompt_of,
        "response_text": reading.response_text,
    }
    if run.recipe == "expand":
        return found | _critiques(session, run, after)
    if run.recipe == "generate":
        return found | responding.shown(session, run, after)
    if run.result is None:
        return found
    if run.recipe == "cluster":
        return found | clustering.shown(session, run)
    evaluation = reading.evaluation(run)
    found["tables"] = tables_of(run, evaluation)
    if run.recipe == "evaluate":
        return found | {"wins": evaluation.get("wins", {}), "outputs": reading.outputs(run)}
    if run.recipe == "score":
        rows = reading.scored(run)
        drawn = spread([row["margin"] for row in rows])
        return found | {"contradicted": reading.contradicted(rows), "spread": drawn}
    return found | {"contradicted": contradicted(run, evaluation)}


def tables_of(run: Run, evaluation: dict[str, Any]) -> list[tuple[str, Any]]:
    """The evaluation's tables of accuracies with their titles, in English: shown through `told`."""
    if run.recipe == "evaluate":
        return _sides(evaluation)
    return [(WORDS.get(name, name), each) for name, each in evaluation.items() if _is_table(each)]


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and "overall" in value


def _sides(evaluation: dict[str, Any]) -> list[tuple[str, Any]]:
    """Each side's own likelihoods, and what the policy gained on its base, which is the implicit reward."""
    each = evaluation.get("likelihood", {})
    found = [(_("%(side)s's likelihood a token", side=side), each.get(side)) for side in ("policy", "base")]
    found.append((WORDS["implicit_reward"], evaluation.get("log_probability", {}).get("gain")))
    return [(title, table) for title, table in found if _is_table(table)]


WORDS = {
    "given": N_("with the critiques given"),
    "own": N_("with its own critiques"),
    "none": N_("without critiques"),
    "train": N_("training samples"),
    "held_out": N_("held-out samples"),
    "implicit_reward": N_("implicit reward: the policy's gain over its reference"),
    "likelihood": N_("policy's likelihood a token"),
}


def dataset_of(run: Run) -> int:
    return next((each.dataset_id or 0 for each in run.inputs if each.role == "dataset"), 0)


def contradicted(run: Run, evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Pairs in which the reward model that was trained contradicts the people."""
    if run.recipe != "reward":
        return []
    first: dict[str, Any] = next(iter(evaluation.values()), {})
    return list(first.get("contradicted", []))[: reading.MOST]


def _critiques(session: Session, run: Run, after: int) -> dict[str, Any]:
    rows = queries.critiques(session, run.id, after)
    more = rows[queries.PAGE - 1].id if len(rows) > queries.PAGE else None
    return {"critiques": rows[: queries.PAGE], "answers": queries.answers(session, run.id), "more": more}


def numbers(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary's numbers as labels and words, those with a label of their own first; shares as percentages."""
    order = {name: place for place, name in enumerate(LABELS)}
    return [
        (LABELS.get(name, name.replace("_", " ").capitalize()), _said(name, value))
        for name, value in sorted(result.items(), key=lambda each: order.get(each[0], len(order)))
        if name != "accuracy" or not any(mode in result for mode in MODES)  # which is the first of these, once more
    ]


def is_share(name: str) -> bool:
    """Whether a number of the summary is a share of a whole."""
    return name.startswith("acc") or name.endswith(("accuracy", "rate"))


def _said(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1%}" if is_share(name) else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)
