"""DPO on all pairs of a sample's ranked responses: here, and by TRL's DPOTrainer.

    pip install 'assay[bench]'
    python -m benchmarks.dpo_against_trl [--tokens 190 1024] [--responses 2 3 4 5] [--repeats 3] [--device cuda]

Same model, pairs, order, precision and optimiser on both sides, each in a process of its own, in turns. TRL gets the
behaviour of its fused head on CUDA (completion tokens only), or a CPU would flatter us; its gradient checkpointing is
off. Its reference is recomputed at each step, since it cannot be precomputed for pictures; ours is computed once and
is within the measured time. The losses of every step must agree to 1e-4, or the figures are not printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measuring, preference_data

SIZES = {"width": 384, "layers": 6, "vision_width": 128, "vision_layers": 2}
RATE, BETA = 1e-4, 0.1


def ours(asked: dict[str, Any]) -> dict[str, Any]:
    """The recipe as a run performs it, in a folder of its own."""
    from ml import models
    from ml.config import validate
    from ml.folder import RunFolder
    from ml.recipes import mm_dpo

    meter = measuring.Meter()
    load = models.load

    def then_start(*arguments: Any, **named: Any) -> Any:
        found = load(*arguments, **named)
        meter.start()
        return found

    models.load = then_start
    folder = Path(asked["place"]) / f"run-{os.getpid()}"
    (folder / "inputs").mkdir(parents=True)
    (folder / "inputs" / "dataset").symlink_to(asked["data"])
    config = {
        "base": asked["model"],
        "device": asked["device"],
        "precision": asked["precision"],
        "adapter": "full",
        "objective": "dpo",
        "beta": BETA,
        "sft_weight": 0.0,
        "learning_rate": RATE,
        "schedule": "constant",
        "warmup": 0.0,
        "samples_per_batch": 1,
        "accumulate": 1,
        "checkpoint_every": 10_000,
        "max_pixels": 4096 * 256,
        "seed": 0,
    }
    mm_dpo.plan_of = _in_order  # type: ignore[assignment]
    work = lambda: mm_dpo.run(RunFolder(folder), validate("mm_dpo", config))  # noqa: E731
    flops = measuring.flops_of(work) if asked["count"] else work()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["values"]["loss"] for line in lines if line["kind"] == "metric" and line["split"] == "train"]
    return {"losses": losses, "flops": flops or 0.0, **measuring_of(meter, asked)}


def _in_order(samples: list[Any], config: Any) -> list[list[list[Any]]]:
    return [[[sample]] for sample in samples]


def measuring_of(meter: measuring.Meter, asked: dict[str, Any]) -> dict[str, float]:
    import torch

    found = meter.read()
    if asked["device"] == "cuda":
        found["peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return found


def trl(asked: dict[str, Any]) -> dict[str, Any]:
    """DPOTrainer with one sample's pairs a step."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback
    from trl import DPOConfig, DPOTrainer
    from trl.trainer import utils

    from ml import without_torchvision
    from ml.encoding import Encoder

    utils._use_triton = lambda device: True  # which positions are scored, not which kernel does it
    without_torchvision.mend()
    dtype = torch.bfloat16 if asked["precision"] == "bf16" else torch.float32
    processor: Any = AutoProcessor.from_pretrained(asked["model"])
    encoder = Encoder(processor, {processor.tokenizer.eos_token_id})
    nets = [AutoModelForImageTextToText.from_pretrained(asked["model"], dtype=torch.float32) for _ in range(2)]
    nets[0].get_encoder(modality="image").requires_grad_(False)
    rows = _pairs(Path(asked["data"]), encoder)
    pairs = asked["responses"] * (asked["responses"] - 1) // 2
    meter = measuring.Meter()

    class Start(TrainerCallback):
        def on_train_begin(self, *arguments: Any, **named: Any) -> None:
            meter.start()

    class InOrder(DPOTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    config = DPOConfig(
        output_dir=str(Path(asked["place"]) / f"trl-{os.getpid()}"),
        per_device_train_batch_size=pairs,
        gradient_accumulation_steps=1,
        num_train_epochs=1,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        beta=BETA,
        max_length=None,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=asked["device"] == "cpu",
        bf16=asked["precision"] == "bf16",
        dataloader_pin_memory=False,
        disable_tqdm=True,
        optim="adamw_torch",
    )
    trainer = InOrder(
        model=nets[0],
        ref_model=nets[1].to(dtype),
        args=config,
        train_dataset=Dataset.from_list(rows).cast_column("images", _pictures()),
        processing_class=processor,
        callbacks=[Start()],
    )
    flops = measuring.flops_of(trainer.train) if asked["count"] else trainer.train() and 0.0
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    return {"losses": losses, "flops": flops, **measuring_of(meter, asked)}


def _pictures() -> Any:
    from datasets import Image, List

    return List(Image())


def _pairs(data: Path, encoder: Any) -> list[dict[str, Any]]:
    """Each pair with its prompt and picture, in the words that our own encoder gives."""
    samples = [json.loads(line) for line in (data / "samples.jsonl").read_text().splitlines()]
    end = encoder.tokenizer.decode(encoder.end)
    rows = []
    for sample in samples:
        prompt, _, _ = encoder._render(sample["prompt"], 1)
        texts = [each["text"] + end for each in sample["responses"]]
        images = [str(data / sample["media"][0]["path"])]
        for better in range(len(texts)):
            for worse in range(better + 1, len(texts)):
                rows.append({"prompt": prompt, "chosen": texts[better], "rejected": texts[worse], "images": images})
    return rows


SIDES = {"ours": ours, "trl": trl}


def compare(asked: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Both sides in turns. Raises SystemExit where their losses differ."""
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "trl": []}
    for _ in range(repeats):
        for name, found in runs.items():
            found.append(measuring.side(__spec__.name, name, asked | {"count": False}))
    apart = max(abs(a - b) for a, b in zip(runs["ours"][0]["losses"], runs["trl"][0]["losses"], strict=True))
    if asked["precision"] == "fp32" and apart > 1e-4:
        sys.exit(f"the losses differ by {apart}: {runs['ours'][0]['losses']} against {runs['trl'][0]['losses']}")
    counted = {name: measuring.side(__spec__.name, name, asked | {"count": True})["flops"] for name in runs}
    found = {name: measuring.medians(each) | {"flops": counted[name]} for name, each in runs.items()}
    ratio = {
        name: found["trl"][name] / found["ours"][name] for name in ("cpu_seconds", "wall_seconds", "peak_mib", "flops")
    }
    return asked | found | {"ratio": ratio, "losses_apart": apart}


def table(found: list[dict[str, Any]]) -> str:
    names = "image tokens, K, pairs, CPU s a pair here, at TRL, ratio, FLOPs ratio, peak memory ratio, losses apart"
    lines = [f"| {names.replace(', ', ' | ')} |", "|---" * 9 + "|"]
    for one in found:
        pairs = one["responses"] * (one["responses"] - 1) // 2
        many = pairs * one["samples"]
        here, there, ratio = one["ours"], one["trl"], one["ratio"]
        lines.append(
            f"| {one['tokens']} | {one['responses']} | {pairs} | {here['cpu_seconds'] / many:.2f} "
            f"| {there['cpu_seconds'] / many:.2f} | {ratio['cpu_seconds']:.1f} | {ratio['flops']:.1f} "
            f"| {ratio['peak_mib']:.1f} | {one['losses_apart']:.1e} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("asked", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=int, nargs="+", default=[190, 1024], help="of each picture, about")
    parser.add_argument("--responses", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--samples", type=int, default=4, help="one a step")
    parser.add_argument("--words", type=int, default=30, help="of a response, about")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/dpo_against_trl.jsonl"))
    given = parser.parse_args()
    if given.side:
        print(json.dumps(SIDES[given.side](json.loads(given.asked))))
        return 0
    found = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        weights = preference_data.model(place / "model", **SIZES)
        print(f"{weights:,} weights", file=sys.stderr)
        for tokens in given.tokens:
            for responses in given.responses:
                data = preference_data.write(
                    place / f"data-{tokens}-{responses}", given.samples, responses, tokens, given.words
                )
                asked = {"place": folder, "model": str(place / "model"), "data": str(data), "tokens": tokens}
                asked |= {"responses": responses, "samples": given.samples, "words": given.words}
                asked |= {"device": given.device, "precision": given.precision}
                found.append(compare(asked, given.repeats))
                print(table(found[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(found))
    measuring.note(
        given.out,
        {"benchmark": "dpo_against_trl", "weights": weights, "repeats": given.repeats}
        | measuring.machine("torch", "transformers", "trl")
        | {"rows": [{k: v for k, v in one.items() if k not in ("place", "model", "data")} for one in found]},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
