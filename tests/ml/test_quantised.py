"""QLoRA on real weights of four bits, as bitsandbytes holds them on a CPU, too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ml import adapters, packing
from ml.config import Reward, validate
from ml.folder import RunFolder
from ml.models import VisionLanguage, load
from ml.recipes import mm_dpo
from tests.ml import cast, families
from tests.ml.test_engine import DPO, curve, elsewhere
from tests.ml.test_packing import WIDE, gradients, loss_of, sample
from tests.ml.test_recipes import go, result

bitsandbytes = pytest.importorskip("bitsandbytes", reason="QLoRA needs the group qlora")


@pytest.fixture(params=[True, False], ids=["avx512_bf16", "without"], autouse=True)
def cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU with and without AVX512-BF16, as bitsandbytes is told when it makes a layer."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: request.param)


def quantised(base: Path) -> VisionLanguage:
    config = validate("reward", {"base": str(base), "adapter": "qlora", "device": "cpu"})
    return load(str(base), config)


def of_four_bits(model: nn.Module) -> set[str]:
    return {name for name, each in model.named_modules() if isinstance(each, bitsandbytes.nn.Linear4bit)}


@pytest.mark.parametrize("family", [families.tiny_qwen2_vl, families.llava], ids=lambda each: each.__name__)
def test_every_layer_of_the_language_model_has_four_bits_and_none_that_sees(
    tmp_path: Path, data: Path, family: object
) -> None:
    family(tmp_path / "base", data)  # type: ignore[operator]
    model = quantised(tmp_path / "base")
    plain = load(str(tmp_path / "base"), Reward(device="cpu"))
    linear = {name for name, each in plain.net.get_decoder().named_modules() if isinstance(each, nn.Linear)}
    assert of_four_bits(model.net.get_decoder()) == linear != set()
    assert len(of_four_bits(model.net)) == len(linear)
    prefix = model.encoder.prefix("What is it?", [WIDE])
    with torch.no_grad():
        one, other = (torch.cat(list(each.see(prefix))) for each in (model, plain))
    assert one.equal(other)


def test_responses_share_a_row_of_four_bits_as_they_do_one_of_floats(base: Path) -> None:
    model = quantised(base)
    adapters.add_lora(model, 8, 16.0, 0.0, "all")
    prefixes, suffixes = sample(model, [WIDE])
    packed_loss, packed = gradients(model, model.rows(prefixes, suffixes))
    plain_loss, plain = gradients(model, packing.plain(prefixes, suffixes, model.pad, model.device))
    assert packed_loss == pytest.approx(plain_loss, rel=1e-5)
    assert float((packed - plain).norm() / plain.norm()) < 1e-5


def test_weights_of_four_bits_and_their_gradients_are_the_same_after_an_evaluation(base: Path) -> None:
    model = quantised(base)
    adapters.add_lora(model, 8, 16.0, 0.0, "all")
    prefixes, suffixes = sample(model, [WIDE])
    rows = model.rows(prefixes, suffixes)
    before = {name: each.clone() for name, each in model.net.state_dict().items()}
    model.train()
    loss, fresh = gradients(model, rows)
    model.eval()
    with torch.no_grad():
        seen = loss_of(model, rows, [model.see(prefix) for prefix in rows.prefixes])
    assert float(seen) == pytest.approx(loss, rel=1e-6)
    model.train()
    again, after = gradients(model, rows)
    assert again == loss
    assert after.equal(fresh)
    assert all(each.equal(before[name]) for name, each in model.net.state_dict().items())


def test_a_policy_learns_above_four_bits_and_leaves_an_adapter_and_whole_floats(
    tmp_path: Path, data: Path, base: Path
) -> None:
    config = DPO | {"adapter": "qlora", "learning_rate": 3e-3, "epochs": 3, "merge": True, "base": str(base)}
    folder = go("mm_dpo", tmp_path / "run", {"dataset": data}, **config)
    steps = cast.lines(folder / "metrics.jsonl", "metric", split="train")
    losses = [each["values"]["dpo_loss"] for each in steps]
    assert losses[0] == pytest.approx(0.6931, abs=1e-4)  # policy and reference are one, in four bits alike
    assert losses[-1] < 0.68
    assert result(folder)["reward_margin"] > 0
    left = load_file(folder / "output" / "checkpoint" / "adapter_model.safetensors")
    assert left and {each.dtype for each in left.values()} == {torch.float32}
    assert "four bits (nf4)" in (folder / "output" / "checkpoint" / "README.md").read_text()
    elsewhere(folder / "output", base)


def test_a_run_above_four_bits_goes_on_with_bit_equal_losses(tmp_path: Path, data: Path, base: Path) -> None:
    config = DPO | {"adapter": "qlora", "lora_dropout": 0.1, "checkpoint_every": 2, "base": str(base)}
    unbroken = go("mm_dpo", tmp_path / "unbroken", {"dataset": data}, **config)
    before = curve(unbroken)
    (unbroken / "result.json").unlink()
    for path in (unbroken / "checkpoints").iterdir():
        if path.name > "step-00000004":
            path.rename(tmp_path / path.name)
    mm_dpo.run(RunFolder(unbroken), RunFolder(unbroken).config("mm_dpo"))  # type: ignore[arg-type]
    steps = [line["step"] for line in cast.lines(unbroken / "metrics.jsonl", "metric", split="train")]
    assert steps == [1, 2, 3, 4, 5, 6, 5, 6]
    assert curve(unbroken) == before
