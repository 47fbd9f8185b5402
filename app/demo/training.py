"""The demonstration's dataset and its first runs: one of each recipe, queued for the worker to execute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.db import Session
from app.datasets import actions as datasets
from app.projects.guard import Seat
from app.runs import actions as runs
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
}


def queue_runs(session: Session, seat: Seat, base: Path) -> list[Run]:
    """Freeze what is accepted and start a run of each recipe on it; one that reads another's output waits for it."""
    dataset = datasets.freeze(session, seat, DATASET_NAME, HELD_OUT_SHARE).id

    def start(recipe: str, name: str, trains: bool = False, **inputs: int) -> Run:
        config = {**CONFIGS[recipe], **({"base": str(base)} if trains else {})}
        return runs.start(session, seat, recipe=recipe, name=name, config=config, inputs={"dataset": dataset, **inputs})

    expand = start("expand", "Expand a few reasons with the tiny model", trains=True)
    reward = start("reward", "Tiny reward model from human reasons", trains=True)
    score = start("score", "Margins by the tiny reward model", reward=reward.id)
    policy = start("mm_dpo", "Tiny policy aligned with MM-DPO", trains=True, scores=score.id)
    evaluate = start("evaluate", "Tiny policy against its base", policy=policy.id, reward=reward.id)
    return [expand, reward, score, policy, evaluate]
