"""What a form tells of a run before it starts: tokens, memory, time."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sqlalchemy.orm import Session

from app.core.db import now
from app.runs import estimating, reading, weights
from app.runs.reading import Size
from app.runs.tables import Metric, Run
from ml.config import Config, validate
from tests.app.runs import stories

SIZE = Size(samples=10, responses=30, reasons=30, pairs=20, paired=8, letters=4000, pictures=10)


def model(folder: Path) -> str:
    """Two linear layers, an embedding and a vision encoder, as transformers would save them."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {
        "model.layers.0.self_attn.q_proj.weight": (8, 8),
        "model.layers.0.mlp.up_proj.weight": (32, 8),
        "model.embed_tokens.weight": (100, 8),
        "visual.blocks.0.attn.qkv.weight": (24, 8),
    }
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps({"text_config": {"hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 100}})
    )
    return str(folder)


def test_a_models_weights_are_counted_without_loading_it(tmp_path: Path) -> None:
    found = weights.of(model(tmp_path))
    assert found == weights.Weights(64 + 256 + 800 + 192, 192, 16 + 40, 16, 8, 1, 100)


@pytest.mark.parametrize(
    ("name", "many"),
    [("acme/vlm-7b-hf", 7e9), ("Qwen/Qwen2-VL-2B-Instruct", 2e9), ("x/llava-0.5b", 5e8), ("a/smol-256M", 2.56e8)],
)
def test_a_models_name_tells_its_size(name: str, many: float) -> None:
    found = weights.of(name)
    assert found is not None
    assert (found.parameters, found.exact) == (many, False)


def test_what_is_no_model_has_no_size(tmp_path: Path) -> None:
    assert weights.of("acme/unknown") is None
    assert weights.of(str(tmp_path)) is None
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 20)
    (tmp_path / "config.json").write_text("{}")
    assert weights.of(str(tmp_path)) is None


def config(recipe: str = "reward", **values: object) -> Config:
    return validate(recipe, values)


def test_full_fine_tuning_keeps_three_numbers_for_each_weight_that_learns(tmp_path: Path) -> None:
    base = model(tmp_path)
    found = estimating.memory(config(adapter="full"), base, SIZE, gpu=True)
    assert found is not None
    assert (found.bits, found.weights) == (32, 1312 * 4), "small steps would vanish in bf16"
    assert (found.trained, found.learning) == (1312 - 192, (1312 - 192) * 12)


def test_lora_learns_its_rank_times_the_widths_of_the_layers(tmp_path: Path) -> None:
    base = model(tmp_path)
    wide = estimating.memory(config(adapter="lora", lora_rank=4), base, SIZE, gpu=True)
    narrow = estimating.memory(config(adapter="lora", lora_rank=4, lora_targets="attention"), base, SIZE, gpu=True)
    assert wide and narrow
    assert (wide.bits, wide.trained, narrow.trained) == (16, 4 * 56, 4 * 16)


def test_checkpointing_of_gradients_saves_activations(tmp_path: Path) -> None:
    base = model(tmp_path)
    plain = estimating.memory(config(), base, SIZE, gpu=False)
    saved = estimating.memory(config(gradient_checkpointing=True), base, SIZE, gpu=False)
    assert plain and saved
    assert saved.activations < plain.activations


def test_sequences_are_those_of_every_epoch_but_not_beyond_the_last_step() -> None:
    assert estimating.sequences(config(epochs=2), SIZE) == 2 * 8 * 3
    assert estimating.sequences(config(epochs=2, max_steps=1, accumulate=4), SIZE) == 4 * 3
    assert estimating.sequences(config("evaluate", limit=3), SIZE) == 6
    assert estimating.sequences(config("score"), SIZE) == 30


def test_time_and_memory_are_told_by_the_last_run_like_it(session: Session) -> None:
    story = stories.begin(session)
    again = validate("reward", {"critiques": "human", "base": str(story.base), "epochs": 2})
    before = estimating.lines(session, story.seat, again, story.dataset.id)
    assert "not known" in before[-1]
    run = story.start()
    run.seconds_used, run.result, run.exit_code, run.started_at, run.ended_at = 600.0, {"steps": 1}, 0, now(), now()
    values = {"kind": "metric", "step": 1, "split": "train", "values": {"memory_gib": 3.25}}
    session.add(Metric(run_id=run.id, line=1, kind="metric", payload=values))
    session.commit()
    model(story.base)
    said = "\n".join(estimating.lines(session, story.seat, again, story.dataset.id))
    assert f"About 20 minutes, if it goes on as run {run.id} did." in said, "twice the epochs"
    assert f"Run {run.id} held 3.2 GiB" in said
    other = validate("reward", {"critiques": "human", "base": str(story.base), "adapter": "full"})
    assert "not known" in estimating.lines(session, story.seat, other, story.dataset.id)[-1]


def test_letters_and_pictures_are_counted_with_the_rest(session: Session) -> None:
    story = stories.begin(session)
    size = reading.size_of(story.dataset.id, "all")
    assert size.letters > size.responses
    assert size.pictures >= size.samples


@pytest.mark.parametrize(("number", "said"), [(7.6e9, "7.6 G"), (950, "950"), (1234, "1.2 k"), (0.25, "0.25")])
def test_numbers_are_said_in_two_figures(number: float, said: str) -> None:
    assert estimating.rounded(number) == said


@pytest.mark.parametrize(("many", "said"), [(80 * 2**20, "80 MiB"), (3.25 * 2**30, "3.2 GiB"), (0, "0 MiB")])
def test_bytes_are_said_in_the_unit_that_fits(many: float, said: str) -> None:
    assert estimating.sized(many) == said


def test_a_run_that_reads_the_project_lasts_as_long_as_the_last_one_did_for_each_sample(session: Session) -> None:
    story = stories.begin(session)
    again = validate("cluster", {"clusters": 3, "layout": "pca"})
    assert "not known" in estimating.lasting_like(session, story.seat, again, 30)
    whose = {"project_id": story.project.id, "created_by": story.seat.user.id}
    run = Run(recipe="cluster", name="c", config=asdict(again), **whose)
    run.seconds_used, run.result, run.exit_code = 120.0, {"samples": 12, "pictures": 10}, 0
    run.started_at = run.ended_at = now()
    session.add(run)
    session.commit()
    said = estimating.lasting_like(session, story.seat, again, 30)
    assert said == f"About 6 minutes, if it goes on as run {run.id} did."
    assert estimating.lasting_like(session, story.seat, again, 0) == ""
    other = validate("cluster", {"base": "openai/clip-vit-base-patch32"})
    assert "not known" in estimating.lasting_like(session, story.seat, other, 30)
