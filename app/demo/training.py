"""The demonstration's dataset and its first runs, queued for the worker: a chain, then clusters and their map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.db import Session
from app.datasets import actions as datasets
from app.projects.guard import Seat
from app.runs import actions, groups
from app.runs.group_tables import CHAIN
from app.runs.planning import Plan, planned
from app.runs.tables import Run

DATASET_NAME = "first half"
HELD_OUT_SHARE = 0.25

_SEEN: dict[str, Any] = {"max_pixels": 9216, "max_frames": 4}
_TRAINED: dict[str, Any] = {
    **_SEEN,
    "adapter": "full",
    "samples_per_batch": 2,
    "accumulate": 1,
    "evaluate_every": 10,
    "sample_every": 10,
    "checkpoint_every": 10,
}
# Small enough for minutes on two cores. The tiny model starts from random weights: what it writes is no English yet.
CONFIGS: dict[str, dict[str, Any]] = {
    "expand": {**_SEEN, "expander": "local", "max_new_tokens": 32, "limit": 24},
    "reward": {**_TRAINED, "critiques": "human", "learning_rate": 1e-3, "epochs": 5, "max_critique_tokens": 32},
    "score": {**_SEEN, "critiques": "own", "max_critique_tokens": 32, "samples_per_batch": 2},
    "mm_dpo": {**_TRAINED, "learning_rate": 5e-4, "epochs": 4, "sample_tokens": 32},
    "evaluate": {**_SEEN, "max_new_tokens": 32, "max_critique_tokens": 32, "samples_per_batch": 2},
    # Three dozen pictures have six groups; UMAP would first be compiled for longer than everything else takes.
    "cluster": {"clusters": 6, "layout": "pca"},
}


def queue_runs(session: Session, seat: Seat, base: Path) -> list[Run]:
    """Freeze what is accepted and start a chain on it; then group the samples by how they look."""
    dataset = datasets.freeze(session, seat, DATASET_NAME, HELD_OUT_SHARE).id

    def plan(recipe: str, name: str, trains: bool = False, **inputs: Plan) -> Plan:
        config = {**CONFIGS[recipe], **({"base": str(base)} if trains else {})}
        return planned(session, seat, recipe, name, config, {"dataset": dataset, **inputs})

    expand = plan("expand", "Expand a few reasons with the tiny model", trains=True)
    reward = plan("reward", "Tiny reward model from human reasons", trains=True)
    score = plan("score", "Margins by the tiny reward model", reward=reward)
    policy = plan("mm_dpo", "Tiny policy aligned with MM-DPO", trains=True, scores=score)
    evaluate = plan("evaluate", "Tiny policy against its base", policy=policy, reward=reward)
    steps = [expand, reward, score, policy, evaluate]
    groups.begin(session, seat, CHAIN, "From reasons to a tiny policy", {"approve": False}, steps)
    clusters = actions.begin(
        session, seat, planned(session, seat, "cluster", "What looks alike", CONFIGS["cluster"], {})
    )
    return [*[step.run for step in steps if step.run], clusters]
