"""Each recipe in its folder, from inputs to result, on the tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from ml import rewardbench
from ml.config import Config, validate
from ml.data import read_dataset
from ml.errors import BadCheckpoint, ConfigError, Diverged, MissingCritiques, NoPairs, NoScores, Refused, Stopped
from ml.folder import RunFolder
from ml.recipes import evaluate, mm_dpo, reward, score
from tests.ml import cast

MODULES = {"reward": reward, "score": score, "mm_dpo": mm_dpo, "evaluate": evaluate}
QUICK: dict[str, Any] = {
    "epochs": 2,
    "samples_per_batch": 2,
    "accumulate": 1,
    "learning_rate": 1e-3,
    "max_pixels": 4096,
}
REWARD = QUICK | {"critiques": "human", "max_critique_tokens": 12}


def go(recipe: str, folder: Path, inputs: dict[str, Path], **config: Any) -> Path:
    """Run a recipe in this process. Returns its folder."""
    cast.run_folder(folder, recipe, inputs, **config)
    MODULES[recipe].run(RunFolder(folder), RunFolder(folder).config(recipe))  # type: ignore[attr-defined]
    return folder


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


@pytest.fixture(scope="module")
def rewarded(tmp_path_factory: pytest.TempPathFactory, data: Path, base: Path) -> Path:
    """A reward run by LoRA, kept for the recipes that follow it."""
    folder = tmp_path_factory.mktemp("runs") / "reward"
    return go("reward", folder, {"dataset": data}, base=str(base), **REWARD)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, data: Path, rewarded: Path) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "score"
    inputs = {"dataset": data, "reward": rewarded / "output" / "checkpoint"}
    return go("score", folder, inputs, max_critique_tokens=8, samples_per_batch=4)


def test_a_reward_run_leaves_a_checkpoint_its_curves_and_both_accuracies(rewarded: Path) -> None:
    meta = json.loads((rewarded / "output" / "checkpoint" / "meta.json").read_text())
    assert (meta["kind"], meta["adapter"], meta["critiques"]) == ("reward", "lora", "human")
    steps = cast.lines(rewarded / "metrics.jsonl", "metric", split="train")
    assert [each["step"] for each in steps] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "critique_loss", "score_loss", "accuracy", "margin", "lr", "grad_norm"} <= set(steps[0]["values"])
    found = json.loads((rewarded / "output" / "evaluation.json").read_text())
    assert found["given"]["overall"]["pairs"] == 10
    assert set(found["own"]["by_question_type"]) == {"short", "long"} or found["own"]["by_question_type"]
    assert {"accuracy", "acc_given", "acc_own", "acc_plus_own"} <= set(result(rewarded))


def test_the_loss_of_a_reward_run_is_the_sum_of_its_parts(rewarded: Path) -> None:
    for each in cast.lines(rewarded / "metrics.jsonl", "metric", split="train"):
        parts = each["values"]["critique_loss"] + each["values"]["score_loss"]
        assert parts <= each["values"]["loss"] < parts + 0.5  # what is left is 0.01 of the centring


def test_a_reward_model_learns_its_pairs(tmp_path: Path, data: Path, base: Path) -> None:
    config = REWARD | {"epochs": 12, "adapter": "full", "learning_rate": 3e-3, "evaluate_with": "given"}
    folder = go("reward", tmp_path / "run", {"dataset": data}, base=str(base), **config)
    steps = [each["values"] for each in cast.lines(folder / "metrics.jsonl", "metric", split="train")]
    assert steps[-1]["critique_loss"] < 0.7 * steps[0]["critique_loss"]
    assert sum(each["accuracy"] for each in steps[-3:]) / 3 >= 0.9
    assert result(folder)["acc_given"] >= 0.8


def test_a_score_run_gives_every_response_a_reward_and_every_pair_its_difference(scored: Path) -> None:
    rewards = {(row["sample"], row["response"]): row for row in cast.lines(scored / "output" / "rewards.jsonl")}
    margins = cast.lines(scored / "output" / "margins.jsonl")
    assert (len(rewards), len(margins)) == (32, 40)
    for row in margins:
        difference = rewards[row["sample"], row["chosen"]]["reward"] - rewards[row["sample"], row["rejected"]]["reward"]
        assert row["margin"] == pytest.approx(difference, abs=1e-9)
    assert {row["split"] for row in margins} == {"train", "held_out"}
    assert result(scored)["contradicted"] == sum(row["margin"] <= 0 for row in margins)


@pytest.mark.parametrize("critiques", ["given", "none"])
def test_a_score_run_can_read_the_given_critiques_or_none(
    tmp_path: Path, data: Path, rewarded: Path, critiques: str
) -> None:
    inputs = {"dataset": data, "reward": rewarded / "output" / "checkpoint"}
    folder = go("score", tmp_path / "run", inputs, critiques=critiques, split="held_out")
    texts = {row["critique"] for row in cast.lines(folder / "output" / "rewards.jsonl")}
    assert ("evasive, no answer" in texts) is (critiques == "given")


@pytest.mark.parametrize("objective", ["mm_dpo", "dpo", "implicit"])
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_a_policy_learns_to_prefer_what_people_chose(
    tmp_path: Path, data: Path, base: Path, scored: Path, objective: str, adapter: str
) -> None:
    config = QUICK | {
        "epochs": 3,
        "objective": objective,
        "adapter": adapter,
        "learning_rate": 3e-3,
        "sample_tokens": 4,
    }
    inputs = {"dataset": data, "scores": scored / "output"}
    folder = go("mm_dpo", tmp_path / "run", inputs, base=str(base), **config)
    steps = [each["values"] for each in cast.lines(folder / "metrics.jsonl", "metric", split="train")]
    assert steps[0]["dpo_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert steps[-1]["dpo_loss"] < 0.68
    assert steps[-1]["reward_margin"] > 0
    low, mean, high = (steps[0][name] for name in ("beta_min", "beta", "beta_max"))
    assert 0.1 - 1e-6 <= low <= mean + 1e-6 <= high + 2e-6 <= 0.15 + 3e-6
    assert (high == pytest.approx(0.1)) is (objective != "mm_dpo")


def test_reference_log_probabilities_are_computed_once_and_read_again(
    tmp_path: Path, data: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"dataset": data}
    config = QUICK | {"objective": "dpo", "max_steps": 1, "sample_tokens": 2}
    folder = go("mm_dpo", tmp_path / "run", inputs, base=str(base), **config)
    before = (folder / "reference.jsonl").read_text()
    assert len(before.splitlines()) == 32
    (folder / "reference.jsonl").write_text(before)
    mm_dpo.run(RunFolder(folder), RunFolder(folder).config("mm_dpo"))  # type: ignore[arg-type]
    assert len(cast.lines(folder / "metrics.jsonl", "progress", phase="reference")) == 4


def test_an_evaluation_compares_policy_and_base_side_by_side(
    tmp_path: Path, data: Path, base: Path, rewarded: Path
) -> None:
    config = QUICK | {"objective": "dpo", "sample_tokens": 2}
    for adapter in ("lora", "full"):
        policy = go("mm_dpo", tmp_path / adapter, {"dataset": data}, base=str(base), adapter=adapter, **config)
        checkpoint = rewarded / "output" / "checkpoint"
        inputs = {"dataset": data, "policy": policy / "output" / "checkpoint", "reward": checkpoint}
        folder = go("evaluate", tmp_path / f"evaluate-{adapter}", inputs, max_new_tokens=4, max_critique_tokens=4)
        rows = cast.lines(folder / "output" / "outputs.jsonl")
        assert [row["sample"] for row in rows] == ["s6", "s7"]
        assert {"text", "reward", "critique"} <= set(rows[0]["policy"])
        held_out = cast.lines(policy / "metrics.jsonl", "metric", split="held_out")[-1]["values"]
        assert result(folder)["accuracy"] == pytest.approx(held_out["accuracy"])
        assert result(folder)["policy_accuracy"] == pytest.approx(held_out["policy_accuracy"])
        wins = json.loads((folder / "output" / "evaluation.json").read_text())["wins"]
        assert wins["win"] + wins["tie"] + wins["loss"] == 2


def test_mm_dpo_without_margins_is_refused(tmp_path: Path, data: Path, base: Path) -> None:
    with pytest.raises(NoScores, match=r"margins\.jsonl"):
        go("mm_dpo", tmp_path / "run", {"dataset": data}, base=str(base))


def test_mm_dpo_with_margins_of_another_dataset_is_refused(tmp_path: Path, data: Path, base: Path) -> None:
    (tmp_path / "scores").mkdir()
    row = {"sample": "s0", "chosen": "r0-0", "rejected": "r0-1", "margin": 1.0}
    cast.write(tmp_path / "scores" / "margins.jsonl", [row])
    with pytest.raises(NoScores, match="29 of 30"):
        go("mm_dpo", tmp_path / "run", {"dataset": data, "scores": tmp_path / "scores"}, base=str(base))


def test_a_dataset_without_pairs_is_refused(tmp_path: Path, base: Path) -> None:
    data = cast.dataset(tmp_path / "data", 2, 1)
    (data / "pairs.jsonl").write_text("")
    with pytest.raises(NoPairs):
        go("reward", tmp_path / "run", {"dataset": data}, base=str(base))


def test_expanded_critiques_that_are_missing_are_named(tmp_path: Path, data: Path, base: Path) -> None:
    rows = [{"sample": "s0", "response": f"r0-{place}", "text": "A fuller critique."} for place in range(4)]
    cast.write(tmp_path / "critiques.jsonl", rows)
    inputs = {"dataset": data, "critiques.jsonl": tmp_path / "critiques.jsonl"}
    config = REWARD | {"critiques": "expanded", "max_steps": 1, "evaluate_with": "given"}
    folder = go("reward", tmp_path / "run", inputs, base=str(base), **config)
    note = cast.lines(folder / "metrics.jsonl", "note", level="warning")[0]["text"]
    assert note.startswith("responses that have no expanded critique, where the human reason stands in: 20 (")
    assert "s1/r1-0" in note


def test_without_any_critique_learning_from_critiques_is_refused(tmp_path: Path, base: Path) -> None:
    data = cast.dataset(tmp_path / "data", 2, 1)
    rows = cast.lines(data / "samples.jsonl")
    for row in rows:
        row["responses"] = [each | {"critique": ""} for each in row["responses"]]
    cast.write(data / "samples.jsonl", rows)
    with pytest.raises(MissingCritiques):
        go("reward", tmp_path / "run", {"dataset": data}, base=str(base), **REWARD)
    folder = go("reward", tmp_path / "none", {"dataset": data}, base=str(base), **REWARD | {"critiques": "none"})
    assert "acc_none" in result(folder)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path, data: Path, rewarded: Path) -> None:
    inputs = {"dataset": data, "policy": rewarded / "output" / "checkpoint"}
    with pytest.raises(BadCheckpoint, match="policy"):
        go("evaluate", tmp_path / "run", inputs)


def stopped_after(folder: RunFolder, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the run to stop once that step's metric is written, as SIGTERM does."""
    write = folder.metric

    def metric(at: int, split: str, values: Any) -> None:
        write(at, split, values)
        folder.stopping = folder.stopping or (split == "train" and at == step)

    monkeypatch.setattr(folder, "metric", metric)


@pytest.mark.parametrize(
    ("recipe", "config"),
    [
        ("reward", REWARD | {"lora_dropout": 0.1, "head_dropout": 0.1, "evaluate_with": "given"}),
        ("mm_dpo", QUICK | {"objective": "dpo", "adapter": "full", "sample_tokens": 2}),
    ],
)
def test_a_run_that_was_stopped_goes_on_with_bit_equal_losses(
    tmp_path: Path, data: Path, base: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, config: dict[str, Any]
) -> None:
    unbroken = go(recipe, tmp_path / "unbroken", {"dataset": data}, base=str(base), **config)
    broken = cast.run_folder(tmp_path / "broken", recipe, {"dataset": data}, base=str(base), **config)
    first, settings = RunFolder(broken), RunFolder(broken).config(recipe)
    stopped_after(first, 3, monkeypatch)
    with pytest.raises(Stopped):
        MODULES[recipe].run(first, settings)  # type: ignore[attr-defined]
    MODULES[recipe].run(RunFolder(broken), settings)  # type: ignore[attr-defined]

    def losses(folder: Path) -> list[tuple[int, float, float]]:
        rows = cast.lines(folder / "metrics.jsonl", "metric", split="train")
        return [(row["step"], row["values"]["loss"], row["values"]["grad_norm"]) for row in rows]

    assert losses(broken) == losses(unbroken)
    assert len(losses(broken)) == 6
    name = "adapter_model.safetensors" if recipe == "reward" else "model.safetensors"
    one, other = (load_file(folder / "output" / "checkpoint" / name) for folder in (unbroken, broken))
    assert all(one[key].equal(other[key]) for key in one)


def test_nothing_that_a_run_leaves_is_pickled(rewarded: Path) -> None:
    endings = {path.suffix for path in rewarded.rglob("*") if path.is_file()}
    assert not endings & {".pt", ".pth", ".bin", ".pkl", ".ckpt"}


def test_a_run_resumed_under_another_config_is_refused(tmp_path: Path, data: Path, base: Path) -> None:
    config = QUICK | {"objective": "dpo", "max_steps": 2, "checkpoint_every": 1, "sample_tokens": 2}
    folder = go("mm_dpo", tmp_path / "run", {"dataset": data}, base=str(base), **config)
    changed: Config = validate("mm_dpo", config | {"base": str(base), "device": "cpu", "beta": 0.3})
    with pytest.raises(BadCheckpoint, match="beta"):
        mm_dpo.run(RunFolder(folder), changed)  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_samples(
    tmp_path: Path, data: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.losses.scoring_loss", lambda chosen, rejected, margin: (chosen - rejected) * float("nan"))
    with pytest.raises(Diverged, match=r"loss of step 1 .*s\d"):
        go("reward", tmp_path / "run", {"dataset": data}, base=str(base), **REWARD)
    assert not (tmp_path / "run" / "output").exists()


def test_refusals_change_nothing(tmp_path: Path, data: Path) -> None:
    with pytest.raises(Refused, match="does not exist"):
        go("reward", tmp_path / "run", {"dataset": data}, base="/nowhere/at/all")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config.json", "inputs"]


def test_a_reward_model_is_counted_over_a_published_data_set_by_category(
    tmp_path: Path,
    data: Path,
    rewarded: Path,
    scored: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signal.signal", lambda *ignored: None)  # the command listens to SIGTERM, a test does not
    published = tmp_path / "published"
    (published / "short").mkdir(parents=True)
    dataset = read_dataset(data)
    rows = []
    for sample in dataset.samples.values():
        for medium in sample.media:
            (published / "short" / medium.path.name).write_bytes(medium.path.read_bytes())
        images = [f"short/{medium.path.name}" for medium in sample.media]
        for pair in dataset.pairs[sample.id]:
            texts = {side: sample.response(getattr(pair, side)).text for side in ("chosen", "rejected")}
            rows.append({"id": sample.id, "prompt": sample.prompt, "image": images, **texts})
    cast.write(published / "dpo_pairs.jsonl", rows)
    inputs = [str(rewarded / "output" / "checkpoint"), str(published), str(tmp_path / "run")]
    assert rewardbench.main([*inputs, "max_critique_tokens=8", "samples_per_batch=4", "device=cpu"]) == 0
    told = capsys.readouterr().out.splitlines()
    by_hand = [
        json.loads(each)["margin"] > 0 for each in (scored / "output" / "margins.jsonl").read_text().splitlines()
    ]
    share = f"{sum(by_hand) / len(by_hand):.2f}"
    assert [row.split(" | ")[1] for row in told[2:]] == ["short", "overall"]
    assert all(row.split(" | ")[2] == share and row.endswith("| 40 | 8 |") for row in told[2:])
    with pytest.raises(ConfigError, match="no field of the recipe score"):
        rewardbench.main([*inputs, "colour=red"])
