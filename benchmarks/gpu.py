"""MM-DPO on one GPU: tokens a second, their share of the device's measured matrix rate, and where the time goes.

    python -m benchmarks.gpu [--size 0.5b 1.5b] [--tokens 190 1024] [--responses 4] [--samples 4] [--adapter lora full]
    python -m benchmarks.gpu --tiny        # the same path on any processor; its figures say nothing of a GPU

A Qwen2-VL of random weights in the shape of a real one, bf16, the recipe's own parts: reference, then training steps
of so many samples. Pictures are seen once, in the reference pass, as in a run. After two steps to warm up some are
timed, one goes through PyTorch's profiler, one is counted. Operations are those of matrix products and attention as
torch counts them (on processors without attention), recomputed ones included; the matrix rate is that of one large
product in the same process and precision. `benchmarks.dpo_against_trl --device cuda --precision bf16` sets the same
against TRL.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks import costs, measuring, preference_data

WARM, PROFILED, COUNTED = 2, 1, 1


@dataclass(frozen=True)
class Size:
    """The language model's shape; the vision encoder is frozen, and seen through once."""

    width: int
    layers: int
    heads: int
    groups: int
    inner: int
    vocabulary: int
    sections: tuple[int, int, int]
    """How half of a head's width is turned by time, height and width."""


SIZES = {
    "0.5b": Size(896, 24, 14, 2, 4864, 151_936, (8, 12, 12)),
    "1.5b": Size(1536, 28, 12, 2, 8960, 151_936, (16, 24, 24)),
    "tiny": Size(48, 2, 2, 1, 128, 1024, (4, 4, 4)),
}


@dataclass(frozen=True)
class Asked:
    size: str
    tokens: int
    responses: int
    samples: int
    """Of a step, all in one batch."""
    adapter: str
    steps: int
    words: int
    device: str
    precision: str
    checkpointing: bool


class Timed:
    """The recipe's trainer on steps of the same shape, a few at a time."""

    def __init__(self, folder: Path, asked: Asked) -> None:
        from ml.adapters import adapt
        from ml.config import validate
        from ml.data import read_dataset
        from ml.folder import RunFolder
        from ml.policy import Policy
        from ml.recipes.mm_dpo import Learner
        from ml.reference import reference_of
        from ml.training import Trainer

        os.environ["ML_CACHE"] = str(folder / "cache")
        config: Any = validate("mm_dpo", _config(asked))
        dataset = read_dataset(preference_data.write(folder / "data", _all(asked), *_shape(asked)))
        self.model = model_of(folder / "model", asked)
        self.asked = asked
        samples = list(dataset.samples.values())
        self.batches = [samples[at : at + asked.samples] for at in range(0, len(samples), asked.samples)]
        (folder / "run").mkdir()
        policy, run = Policy(self.model, config, config.logit_chunk), RunFolder(folder / "run")
        self.reference_seconds = seconds_of(lambda: self._refer(reference_of(run, policy, self.batches)), asked.device)
        adapt(self.model, config)
        self.learner = Learner(run, config, dataset, policy, self.reference, {}, {})
        self.trainer = Trainer(run, config, self.model)
        self.metrics = run.path / "metrics.jsonl"

    def _refer(self, found: dict[tuple[str, str], float]) -> None:
        self.reference = found

    def go(self, steps: int) -> None:
        """So many steps more, over the batches again and again."""
        plan = [[batch] for batch in islice(cycle(self.batches), self.trainer.step + steps)]
        self.trainer.run(plan, self.learner.loss_of, self.learner.size_of, lambda step: None)

    def tokens(self) -> int:
        """Tokens of a step on average: those that go through the model, padding included."""
        lengths = self.learner.policy.lengths([sample for batch in self.batches for sample in batch])
        return sum(max(lengths[each.id] for each in batch) * len(batch) for batch in self.batches) // len(self.batches)


def model_of(folder: Path, asked: Asked) -> Any:
    """Random weights on the device, without a way over the disk; the processor is the tiny model's."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    from ml import models, without_torchvision

    preference_data.model(folder, width=48, layers=1)
    without_torchvision.mend()
    device = models.device_of(asked.device)
    config = shaped(AutoConfig.from_pretrained(folder), SIZES[asked.size])
    bf16 = asked.precision == "bf16"
    dtype = torch.bfloat16 if bf16 and asked.adapter == "lora" else torch.float32
    auto: Any = AutoModelForImageTextToText
    read: Any = AutoProcessor
    with device:
        net = auto.from_config(config, dtype=dtype)
    return models.VisionLanguage(str(folder), net, read.from_pretrained(folder), device, bf16)


def shaped(config: Any, size: Size) -> Any:
    """The tiny model's config with a language model of that size."""
    config.vision_config.hidden_size = size.width
    for name, value in _text(size).items():
        setattr(config.text_config, name, value)
    config.text_config.vocab_size = max(size.vocabulary, config.text_config.vocab_size)
    return config


def _text(size: Size) -> dict[str, Any]:
    return {
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "layer_types": ["full_attention"] * size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.groups,
        "intermediate_size": size.inner,
        "initializer_range": 0.02,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": list(size.sections)},
    }


def _all(asked: Asked) -> int:
    """Samples enough for three unlike steps."""
    return 3 * asked.samples


def _shape(asked: Asked) -> tuple[int, int, int]:
    return asked.responses, asked.tokens, asked.words


def _config(asked: Asked) -> dict[str, Any]:
    return {
        "device": asked.device,
        "precision": asked.precision,
        "adapter": asked.adapter,
        "gradient_checkpointing": asked.checkpointing,
        "objective": "dpo",
        "sft_weight": 0.0,
        "samples_per_batch": asked.samples,
        "learning_rate": 1e-6,
        "schedule": "constant",
        "warmup": 0.0,
        "checkpoint_every": 1_000_000,
        "max_pixels": 4096 * 256,
    }


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Wall seconds, to the end of what the device was given to do."""
    began = time.perf_counter()
    work()
    _settle(device)
    return time.perf_counter() - began


def _settle(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def measure(folder: Path, asked: Asked) -> dict[str, Any]:
    """Figures of one setting, as plain numbers; `profile` is the profiler's own table."""
    timed = Timed(folder, asked)
    timed.go(WARM)
    seconds = seconds_of(lambda: timed.go(asked.steps), asked.device) / asked.steps
    profile, wall = _profiled(timed)
    flops = measuring.flops_of(lambda: timed.go(COUNTED))
    rate = measuring.matrix_rate(asked.device, asked.precision, 8192 if asked.device == "cuda" else 512)
    losses = [json.loads(line)["values"]["loss"] for line in _metrics(timed.metrics)]
    kinds = costs.by_kind(costs.seen_by(profile, asked.device), wall if asked.device == "cuda" else None)
    order = "self_device_time_total" if asked.device == "cuda" else "self_cpu_time_total"
    return {
        "weights": sum(each.numel() for each in timed.model.net.parameters()),
        "tokens_a_step": timed.tokens(),
        "seconds_a_step": seconds,
        "pairs_a_step": asked.samples * asked.responses * (asked.responses - 1) // 2,
        "reference_seconds_a_step": timed.reference_seconds / len(timed.batches),
        "flops_a_step": flops,
        "matrix_rate": rate,
        "peak_mib": measuring.peak_mib(asked.device),
        "losses": losses,
        "costs": kinds,
        "profile": profile.key_averages().table(sort_by=order, row_limit=15, max_name_column_width=50),
    }


def _profiled(timed: Timed) -> tuple[Any, float]:
    import torch
    from torch.profiler import ProfilerActivity, profile

    on_cuda = timed.asked.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda and torch.cuda.is_available() else [])]
    with profile(activities=activities) as found:
        wall = seconds_of(lambda: timed.go(PROFILED), timed.asked.device)
    return found, wall


def _metrics(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if '"metric"' in line]


HEAD = (
    "| model | adapter | image tokens | K | samples a step | weights | tokens/s | pairs/s | share of the matrix rate "
    "| matrix rate, TFLOP/s | peak MiB |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(asked: Asked, found: dict[str, Any]) -> str:
    """A row of the table. The share is operations a second over the measured matrix rate."""
    seconds = found["seconds_a_step"]
    share = found["flops_a_step"] / seconds / found["matrix_rate"]
    told = [asked.size, asked.adapter, asked.tokens, asked.responses, asked.samples, f"{found['weights'] / 1e6:,.1f} M"]
    told += [f"{found['tokens_a_step'] / seconds:,.0f}", f"{found['pairs_a_step'] / seconds:,.2f}", f"{share:.0%}"]
    told += [f"{found['matrix_rate'] / 1e12:,.3f}", f"{found['peak_mib']:,.0f}"]
    return "| " + " | ".join(str(each) for each in told) + " |"


def report(asked: Asked, found: dict[str, Any]) -> str:
    """The row with its profile, kinds of work and the three greatest costs."""
    three = "\n".join(f"{place}. {told}" for place, told in enumerate(costs.top_three(found["costs"]), 1))
    return (
        f"{HEAD}\n{row(asked, found)}\n\n{found['profile']}\n{costs.table(found['costs'])}\n\nTop three costs\n{three}"
    )


def settings(given: argparse.Namespace) -> list[Asked]:
    """Every combination that was asked for; `--tiny` is one small one on the processor."""
    if given.tiny:
        return [Asked("tiny", 16, 3, 2, "lora", 2, 8, "cpu", given.precision, given.gradient_checkpointing)]
    return [
        Asked(size, tokens, responses, given.samples, adapter, given.steps, given.words, given.device, given.precision,
              given.gradient_checkpointing)
        for size in given.size for adapter in given.adapter for tokens in given.tokens for responses in given.responses
    ]  # fmt: skip


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    rows = []
    for asked in settings(given):
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder), asked)
        print(report(asked, found), flush=True)
        rows.append(vars(asked) | {name: value for name, value in found.items() if name != "profile"})
    about = {"benchmark": "gpu", "device": measuring.device_name(settings(given)[0].device)}
    measuring.note(given.out, about | measuring.machine("torch", "transformers", "peft") | {"rows": rows})
    return 0


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--tiny", action="store_true", help="a small model on the processor: does the path work?")
    found.add_argument(
        "--size", nargs="+", choices=[each for each in SIZES if each != "tiny"], default=["0.5b", "1.5b"]
    )
    found.add_argument("--tokens", type=int, nargs="+", default=[190, 1024], help="of each picture, about")
    found.add_argument("--responses", type=int, nargs="+", default=[4])
    found.add_argument("--samples", type=int, default=4, help="of a step, in one batch")
    found.add_argument("--words", type=int, default=120, help="of a response, about")
    found.add_argument("--steps", type=int, default=10, help="that are timed")
    found.add_argument("--adapter", nargs="+", choices=["lora", "full"], default=["lora"])
    found.add_argument("--gradient-checkpointing", action="store_true")
    found.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    found.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    found.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu.jsonl"))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
