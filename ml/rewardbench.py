"""python -m ml rewardbench CHECKPOINT DATASET FOLDER [FIELD=VALUE …]: ACC and ACC+ by category, as RewardBench counts.

CHECKPOINT is a reward model's folder, which orders pairs by reward, or a policy's, which orders them by likelihood, by
likelihood a token, and by its gain over its base. DATASET is a dataset folder or one in the published format
(`dpo_pairs.jsonl` or `data.jsonl`), all its samples alike. FOLDER becomes a run folder, of the recipe score or
evaluate, whose fields may be set: `critiques=given`, `max_new_tokens=1`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml.checkpoints import META
from ml.config import fields_of
from ml.errors import BadCheckpoint, ConfigError, Refused
from ml.fields import parsed
from ml.folder import RunFolder, as_json, write_text

RECIPES = {"reward": "score", "policy": "evaluate"}
CATEGORIES = ("mcq", "long", "short", "safety", "video")


def main(arguments: list[str]) -> int:
    from ml.__main__ import perform

    if len(arguments) < 3:
        raise Refused("say: python -m ml rewardbench CHECKPOINT DATASET FOLDER [FIELD=VALUE …]")
    checkpoint, dataset, place = (Path(each) for each in arguments[:3])
    kind = kind_of(checkpoint)
    folder = RunFolder(place)
    lay_out(folder, RECIPES[kind], {"dataset": dataset, kind: checkpoint}, arguments[3:])
    perform(RECIPES[kind], folder)
    found = rewards(folder) if kind == "reward" else likelihoods(folder)
    write_text(folder.output / "rewardbench.json", as_json(found) + "\n")
    print(table(found))
    return 0


def kind_of(checkpoint: Path) -> str:
    try:
        kind = str(json.loads((checkpoint / META).read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(f"{checkpoint.name}/{META} cannot be read: {error}") from None
    if kind not in RECIPES:
        raise BadCheckpoint(f"{checkpoint.name} is of the kind {kind!r}, and neither a reward model nor a policy")
    return kind


def lay_out(folder: RunFolder, recipe: str, inputs: Mapping[str, Path], settings: list[str]) -> None:
    """The run folder: links to the inputs and a config of all splits with these settings. Raises ConfigError."""
    specs = {spec.name: spec for spec in fields_of(recipe)}
    config: dict[str, Any] = {"recipe": recipe, "split": "all"}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in specs:
            raise ConfigError(name, f"is no field of the recipe {recipe}")
        config[name] = parsed(specs[name], text)
    (folder.path / "inputs").mkdir(parents=True, exist_ok=True)
    for name, target in inputs.items():
        link = folder.path / "inputs" / name
        if not link.is_symlink():
            link.symlink_to(target.resolve())
    write_text(folder.path / "config.json", as_json(config) + "\n")


def rewards(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """By category, over all splits, from the margins of a score run."""
    from ml import accuracy
    from ml.data import read_dataset, read_margins

    samples = read_dataset(folder.input("dataset")).samples
    found = accuracy.accuracies(read_margins(folder.output / "margins.jsonl"), samples)
    return {"reward": found["by_category"] | {"overall": found["overall"]}}


def likelihoods(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """By category, for each way of ordering pairs by a policy, from an evaluation."""
    told = json.loads((folder.output / "evaluation.json").read_text(encoding="utf-8"))
    ways = {
        "log-probability": told["log_probability"]["policy"],
        "log-probability a token": told["likelihood"]["policy"],
        "gain over the base": told["log_probability"]["gain"],
    }
    return {name: way["by_category"] | {"overall": way["overall"]} for name, way in ways.items()}


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a category, in RewardBench's order, for each way."""
    lines = ["| ordered by | category | ACC | ACC+ | pairs | samples |", "|---|---|---|---|---|---|"]
    for way, by in found.items():
        for name in [
            each for each in (*CATEGORIES, *sorted(set(by) - {*CATEGORIES, "overall"}), "overall") if each in by
        ]:
            one = by[name]
            shares = [f"{one[each]:.2f}" if one[each] is not None else "" for each in ("acc", "acc_plus")]
            lines.append(f"| {way} | {name} | {' | '.join(shares)} | {one['pairs']} | {one['samples']} |")
    return "\n".join(lines)
