"""DPO on all pairs of a sample's ranked responses: here, and by TRL's DPOTrainer.

    pip install 'assay[bench]'
    python -m benchmarks.dpo_against_trl [--tokens 190 1024] [--responses 2 3 4 5] [--repeats 2]
    python -m benchmarks.dpo_against_trl --device cuda --precision bf16 --width 1536 --layers 28    # where a GPU is

Same model, pairs, order, precision and optimiser on both sides, a sample's pairs a step, each side in a process of its
own, in turns. TRL gets the behaviour of its fused head on CUDA (completion tokens only), or a CPU would flatter us, and
no gradient checkpointing. It recomputes its reference at each step, since it cannot precompute it for pictures; ours
is computed once, and here, where each sample is seen once, its cost stands wholly in the measured time. The losses of
every step must agree to 1e-4, or no figures are printed.
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

RATE, BETA = 1e-4, 0.1
AT_ONCE = 6
"""Pairs that TRL holds at once at most; more are accumulated, which spares it memory."""


def ours(asked: dict[str, Any]) -> dict[str, Any]:
    """The recipe's own parts: reference, then training, without its evaluations and the files that it leaves."""
    from ml import models
    from ml.adapters import adapt
    from ml.config import validate
    from ml.data import read_dataset
    from ml.folder import RunFolder
    from ml.policy import Policy
    from ml.recipes.mm_dpo import Learner, reference_of
    from ml.training import Trainer

    folder = RunFolder(Path(asked["place"]) / f"run-{os.getpid()}")
    folder.path.mkdir()
    os.environ["ML_CACHE"] = str(folder.path / "cache")  # the reference is computed here, not read from an earlier run
    config: Any = validate("mm_dpo", _config(asked))
    dataset = read_dataset(Path(asked["data"]))
    train = list(dataset.samples.values())[: 1 if asked["count"] else None]
    model = models.load(asked["model"], config, master=True)

    def work() -> None:
        policy = Policy(model, config, config.logit_chunk)
        reference = reference_of(folder, policy, [[sample] for sample in train])
        adapt(model, config)
        learner = Learner(folder, config, dataset, policy, reference, {}, {})
        in_order = [[[sample]] for sample in train]
        Trainer(folder, config, model).run(in_order, learner.loss_of, learner.size_of, lambda step: None)

    found = measuring.measured(work, asked)
    lines = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
    steps = [line["values"] for line in lines if line["kind"] == "metric"]
    return found | {"losses": [step["loss"] for step in steps]}


def _config(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "device": asked["device"],
        "precision": asked["precision"],
        "adapter": "full",
        "objective": "dpo",
        "beta": BETA,
        "sft_weight": 0.0,
        "learning_rate": RATE,
        "schedule": "constant",
        "warmup": 0.0,
        "checkpoint_every": 10_000,
        "max_pixels": 4096 * 256,
    }


def trl(asked: dict[str, Any]) -> dict[str, Any]:
    """DPOTrainer with one sample's pairs a step."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import DPOConfig, DPOTrainer
    from trl.trainer import utils

    from ml import without_torchvision
    from ml.encoding import Encoder

    utils._use_triton = lambda device: True  # which positions are scored, not which kernel does it
    without_torchvision.mend()
    processor: Any = AutoProcessor.from_pretrained(asked["model"])
    encoder = Encoder(processor, {processor.tokenizer.eos_token_id})
    nets = [AutoModelForImageTextToText.from_pretrained(asked["model"], dtype=torch.float32) for _ in range(2)]
    nets[0].get_encoder(modality="image").requires_grad_(False)
    pairs = asked["responses"] * (asked["responses"] - 1) // 2
    rows = _pairs(Path(asked["data"]), encoder)[: pairs if asked["count"] else None]
    at_once = max(each for each in range(1, AT_ONCE + 1) if pairs % each == 0)

    class InOrder(DPOTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    config = DPOConfig(
        output_dir=str(Path(asked["place"]) / f"trl-{os.getpid()}"),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=pairs // at_once,
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
        ref_model=nets[1],
        args=config,
        train_dataset=Dataset.from_list(rows).cast_column("images", _pictures()),
        processing_class=processor,
    )
    found = measuring.measured(trainer.train, asked)
    return found | {"losses": [line["loss"] for line in trainer.state.log_history if "loss" in line]}


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
    """Both sides in turns; floating-point operations over the first sample alone. Exits where their losses differ."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
    for _ in range(repeats):
        for name, found in runs.items():
            found.append(measuring.side("benchmarks.dpo_against_trl", name, asked | {"count": False}))
    apart = max(abs(a - b) for a, b in zip(runs["ours"][0]["losses"], runs["trl"][0]["losses"], strict=True))
    if asked["precision"] == "fp32" and apart > 1e-4:
        sys.exit(f"the losses differ by {apart}: {runs['ours'][0]['losses']} against {runs['trl'][0]['losses']}")
    counted = {name: measuring.side("benchmarks.dpo_against_trl", name, asked | {"count": True}) for name in runs}
    found = {name: measuring.medians(each) | {"flops": counted[name]["flops"]} for name, each in runs.items()}
    return asked | found | {"ratio": measuring.ratios(found["trl"], found["ours"]), "losses_apart": apart}


def table(found: list[dict[str, Any]]) -> str:
    lines = [
        "| image tokens | K | pairs a step | CPU s a pair: ours | TRL | ratio | FLOPs | peak memory "
        "| memory of training | wall time | losses apart |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        pairs = one["responses"] * (one["responses"] - 1) // 2
        ours, trl = (one[name]["cpu_seconds"] / pairs / one["samples"] for name in ("ours", "trl"))
        ratio = {name: f"{value:.1f}" for name, value in one["ratio"].items()}
        lines.append(
            f"| {one['tokens']} | {one['responses']} | {pairs} | {ours:.2f} | {trl:.2f} | {ratio['cpu_seconds']} "
            f"| {ratio['flops']} | {ratio['peak_mib']} | {ratio['grown_mib']} | {ratio['wall_seconds']} "
            f"| {one['losses_apart']:.1e} |"
        )
    return "\n".join(lines)


def main() -> int:
    given = arguments()
    if given.side:
        print(json.dumps(SIDES[given.side](json.loads(given.asked))))
        return 0
    found = []
    with tempfile.TemporaryDirectory() as folder:
        weights = preference_data.model(Path(folder) / "model", width=given.width, layers=given.layers)
        print(f"{weights:,} weights", file=sys.stderr)
        for tokens in given.tokens:
            for responses in given.responses:
                data = Path(folder) / f"data-{tokens}-{responses}"
                preference_data.write(data, given.samples, responses, tokens, given.words)
                asked = {"place": folder, "model": f"{folder}/model", "data": str(data), "tokens": tokens}
                asked |= {"responses": responses, "samples": given.samples, "words": given.words}
                asked |= {"device": given.device, "precision": given.precision}
                found.append(compare(asked, given.repeats))
                print(table(found[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(found))
    if given.device == "cuda":
        print(measuring.on_device(found))
    rows = [{k: v for k, v in one.items() if k not in ("place", "model", "data")} for one in found]
    versions = measuring.machine("torch", "transformers", "trl")
    about = {"benchmark": "dpo_against_trl", "weights": weights, "repeats": given.repeats}
    measuring.note(given.out, about | versions | {"rows": rows})
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("asked", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=int, nargs="+", default=[190, 1024], help="of each picture, about")
    parser.add_argument("--responses", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--samples", type=int, default=2, help="one a step")
    parser.add_argument("--words", type=int, default=30, help="of a response, about")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/dpo_against_trl.jsonl"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
