"""The miniature experiment: from easy-VQA and a tiny model to a reward model and an aligned policy, on one core.

    python -m benchmarks.easy_vqa [--seeds 3] [--out benchmarks/results/easy_vqa.jsonl]
    python -m benchmarks.easy_vqa --short --grid   # DPO against MM-DPO over k and w, nothing else

It prints the paper's reward table in its terms (no critique task, human reasons, expanded reasons, critiques given at
inference) and plain DPO beside MM-DPO, over several seeds, and appends one JSON line. The base is a model of random
weights that first learns to see, from easy-VQA's own questions and answers about training pictures, and then to speak
in all four ways alike, right or not, so that it has no taste of its own. Splits are by sample; held-out pictures are
those of easy-VQA's own test part.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import easy_vqa_data
from benchmarks.easy_vqa_data import COLOURS, SHAPES, Question
from ml import tiny
from ml.batching import chunks
from ml.config import MmDpo, validate
from ml.data import Dataset, Medium, Response, Sample, read_dataset
from ml.folder import RunFolder, append_lines, as_json, read_lines, write_jsonl
from ml.models import load
from ml.policy import Policy
from ml.recipes import mm_dpo, reward, score
from ml.teach import teach

GRID_K, GRID_W = (0.25, 0.5, 1.0), (0.1, 0.5, 1.0)
TRUE, UNTRUE = ("clear", "terse"), ("evasive", "wrong")


@dataclass(frozen=True)
class Sizes:
    words: tuple[str, ...]
    """The answers that are asked for: colours, or shapes too, which take longer to see."""
    train: int
    held_out: int
    pictures: int
    """Training pictures that the base learns to see from."""
    look: int
    """Steps in which it learns to name what it sees,"""
    check: int
    """then to say whether what it is told is there,"""
    speak: int
    """then to speak in all four ways alike."""
    reward_epochs: int
    policy_epochs: int


SHORT = Sizes(
    COLOURS, train=240, held_out=40, pictures=400, look=80, check=300, speak=80, reward_epochs=12, policy_epochs=2
)
LONG = Sizes(
    (*COLOURS, *SHAPES),
    train=600,
    held_out=100,
    pictures=1000,
    look=600,
    check=400,
    speak=150,
    reward_epochs=6,
    policy_epochs=3,
)

COMMON = {"device": "cpu", "adapter": "full", "accumulate": 1, "max_pixels": 4096, "checkpoint_every": 10_000}
REWARD = COMMON | {
    "samples_per_batch": 8,
    "learning_rate": 1e-3,
    "max_critique_tokens": 40,
    "evaluate_with": "both",
    # As eq. (2) has it. A critique's verdict is one token of fifteen: in their mean its gradient drowns, and the model
    # learns to read verdicts long before it learns to give them.
    "critique_reduction": "sum",
}
POLICY = COMMON | {"samples_per_batch": 8, "learning_rate": 3e-4, "sample_tokens": 16}


class Experiment:
    """One seed's datasets, base and runs, each run a folder under `place`."""

    def __init__(self, place: Path, sizes: Sizes, seed: int) -> None:
        self.place = place
        self.sizes = sizes
        self.seed = seed
        self.data = easy_vqa_data.write(place / "data", sizes.train, sizes.held_out, sizes.words, seed)
        write_jsonl(place / "critiques.jsonl", easy_vqa_data.expanded(self.data))
        self.dataset: Dataset = read_dataset(self.data)

    def make_base(self) -> Path:
        """Random weights, then three short supervised stages with the vision encoder unfrozen."""
        open_ones, closed = self.plain_questions()
        said = [(sample, each) for sample in self.dataset.of("train") for each in sample.responses]
        texts = [*tiny.texts_of([self.data / "samples.jsonl"]), *easy_vqa_data.EXPANDED.values()]
        texts += [text for sample, each in open_ones + closed for text in (sample.prompt, each.text)]
        sizes = {"width": 96, "layers": 4, "vision_width": 64, "vision_layers": 2}
        tiny.build(self.place / "random", texts, seed=self.seed, vocabulary=900, max_pixels=4096, **sizes)
        model = load(str(self.place / "random"), MmDpo(device="cpu"))
        mixed = closed + open_ones[: len(closed)]
        for examples, steps in ((open_ones, self.sizes.look), (mixed, self.sizes.check), (said, self.sizes.speak)):
            teach(model, examples, steps=steps, batch=32, rate=2e-3, seed=self.seed)
        model.net.save_pretrained(self.place / "base")
        model.processor.save_pretrained(self.place / "base")
        return self.place / "base"

    def plain_questions(self) -> tuple[list[tuple[Sample, Response]], list[tuple[Sample, Response]]]:
        """easy-VQA's own questions about training pictures: those that a word answers, and those of yes or no."""
        draw = random.Random(self.seed)
        asked = draw.sample(easy_vqa_data.open_questions("train", self.sizes.words), self.sizes.pictures)
        closed = easy_vqa_data.yes_or_no({each.image for each in asked}, self.sizes.words, draw)
        return [self.example(each) for each in asked], [self.example(each) for each in closed]

    def example(self, question: Question) -> tuple[Sample, Response]:
        picture = (Medium("image", question.path),)
        sample = Sample(f"{question.path}?{question.text}", "train", "image", "short", question.text, picture, ())
        return sample, Response("answer", question.answer, None, "", None, "model")

    def run(self, recipe: Any, name: str, inputs: dict[str, Path], **config: Any) -> Path:
        """Perform a recipe in a run folder of its own, as `python -m ml` does."""
        folder = self.place / name
        (folder / "inputs").mkdir(parents=True)
        for link, target in {"dataset": self.data, **inputs}.items():
            (folder / "inputs" / link).symlink_to(target)
        kind = recipe.__name__.rsplit(".", 1)[-1]
        recipe.run(RunFolder(folder), validate(kind, config | {"seed": self.seed}))
        return folder

    def reward(self, critiques: str) -> dict[str, Any]:
        """Train on these critiques. ACC and ACC+ by how critiques came at inference, and ACC by the picture alone."""
        inputs = {"critiques.jsonl": self.place / "critiques.jsonl"} if critiques == "expanded" else {}
        config = REWARD | {"epochs": self.sizes.reward_epochs, "critiques": critiques, "base": str(self.place / "base")}
        folder = self.run(reward, f"reward-{critiques}", inputs, **config)
        found = json.loads((folder / "output" / "evaluation.json").read_text())
        held_out = self.dataset.paired("held_out")
        return {
            mode: {
                "acc": each["overall"]["acc"],
                "acc_plus": each["overall"]["acc_plus"],
                "acc_picture": picture_accuracy(held_out, each["contradicted"]),
            }
            for mode, each in found.items()
        }

    def score(self) -> Path:
        """Rewards and margins by the model that learnt from expanded critiques, with critiques of its own."""
        inputs = {"reward": self.place / "reward-expanded" / "output" / "checkpoint"}
        config = {"device": "cpu", "max_critique_tokens": 40, "samples_per_batch": 16, "max_pixels": 4096}
        return self.run(score, "score", inputs, **config) / "output"

    def align(self, objective: str, **more: float) -> dict[str, float]:
        """Align the base. How truly the policy speaks afterwards."""
        inputs = {"scores": self.place / "score" / "output"} if objective == "mm_dpo" else {}
        config = POLICY | {"epochs": self.sizes.policy_epochs, "objective": objective, "base": str(self.place / "base")}
        name = "-".join([objective, *(f"{field}{value}" for field, value in more.items())])
        folder = self.run(mm_dpo, name, inputs, **config | more)
        return self.truth(folder / "output" / "checkpoint")

    def truth(self, model: Path) -> dict[str, float]:
        """On held-out pictures: true over untrue by likelihood a token, the likeliest of four, and own answers."""
        policy = Policy(load(str(model), MmDpo(device="cpu")), MmDpo(max_pixels=4096))
        pairs: list[bool] = []
        tops: list[bool] = []
        answers: list[bool] = []
        for group in chunks(self.dataset.of("held_out"), 20):
            with torch.no_grad():
                told = policy.tell(group)
            texts = policy.respond(group, 24)
            for sample, text in zip(group, texts, strict=True):
                places = {str(each.model): told.index[sample.id, each.id] for each in sample.responses}
                value = {kind: float(told.sums[place] / told.counts[place]) for kind, place in places.items()}
                pairs += [value[true] > value[untrue] for true in TRUE for untrue in UNTRUE]
                tops.append(max(value, key=lambda kind: value[kind]) in TRUE)
                answers.append(names_the_answer(sample, text))
        shares = {"pairs": pairs, "likeliest": tops, "own_answers": answers}
        return {name: sum(marks) / len(marks) for name, marks in shares.items()}


def names_the_answer(sample: Sample, text: str) -> bool:
    """Whether a text names the right word and no other of its kind; the terse response is the right word."""
    right = next(each.text for each in sample.responses if each.model == "terse").rstrip(".")
    kind = COLOURS if right in COLOURS else SHAPES
    words = set(text.lower().replace(".", " ").replace(",", " ").split())
    return words & set(kind) == {right}


def picture_accuracy(held_out: list[Sample], contradicted: list[dict[str, Any]]) -> float | None:
    """ACC over the pairs of a right and a wrong response that are alike but for a word: only the picture decides."""
    wrong = {(row["sample"], row["chosen"], row["rejected"]) for row in contradicted}
    marks = []
    for sample in held_out:
        by_kind = {each.model: each for each in sample.responses}
        false = by_kind["wrong"]
        right = by_kind["clear"] if len(false.text.split()) > 1 else by_kind["terse"]
        marks.append((sample.id, right.id, false.id) not in wrong)
    return sum(marks) / len(marks) if marks else None


def one_seed(place: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Everything that the long form reports, for one seed."""
    began = time.process_time()
    experiment = Experiment(place, sizes, seed)
    found: dict[str, Any] = {"seed": seed, "base": experiment.truth(experiment.make_base())}
    found["reward"] = {origin: experiment.reward(origin) for origin in ("none", "human", "expanded")}
    experiment.score()
    found["policy"] = {objective: experiment.align(objective) for objective in ("dpo", "mm_dpo")}
    return found | {"cpu_seconds": time.process_time() - began}


def one_grid(place: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """DPO and MM-DPO at each k and w, all from one base and one scored run; a single epoch, short of the ceiling."""
    began = time.process_time()
    experiment = Experiment(place, replace(sizes, policy_epochs=1), seed)
    found: dict[str, Any] = {"seed": seed, "base": experiment.truth(experiment.make_base())}
    found["reward"] = experiment.reward("expanded")
    experiment.score()
    found["dpo"] = experiment.align("dpo")
    found["grid"] = [{"k": k, "w": w, **experiment.align("mm_dpo", k=k, w=w)} for k in GRID_K for w in GRID_W]
    return found | {"cpu_seconds": time.process_time() - began}


def grid_table(found: list[dict[str, Any]]) -> str:
    """A row for the base, DPO, and each k and w of MM-DPO: medians over seeds, with the least and the most."""
    rows: list[tuple[str, list[dict[str, Any]]]] = [(name, [one[name] for one in found]) for name in ("base", "dpo")]
    for place, cell in enumerate(found[0]["grid"]):
        rows.append((f"MM-DPO, k = {cell['k']:g}, w = {cell['w']:g}", [one["grid"][place] for one in found]))
    lines = [
        "| policy | true over untrue pairs | likeliest of four is true | own answer is true |",
        "|---|---|---|---|",
    ]
    for name, cells in rows:
        shown = [middle([cell[each] for cell in cells]) for each in ("pairs", "likeliest", "own_answers")]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


REWARD_ROWS = (
    ("no critique task", "none", "none"),
    ("human reasons, own critique", "human", "own"),
    ("expanded reasons, own critique", "expanded", "own"),
    ("human reasons, given at inference", "human", "given"),
    ("expanded reasons, given at inference", "expanded", "given"),
)


def table(found: list[dict[str, Any]]) -> str:
    """Medians over seeds, with the least and the most."""
    lines = ["| reward model | ACC | ACC+ | ACC where only the picture decides |", "|---|---|---|---|"]
    for name, origin, mode in REWARD_ROWS:
        cells = [
            middle([one["reward"][origin][mode][each] for one in found]) for each in ("acc", "acc_plus", "acc_picture")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "| policy | true over untrue pairs | likeliest of four is true | own answer is true |",
        "|---|---|---|---|",
    ]
    for name, of in (
        ("base", lambda one: one["base"]),
        ("DPO", lambda one: one["policy"]["dpo"]),
        ("MM-DPO", lambda one: one["policy"]["mm_dpo"]),
    ):
        cells = [middle([of(one)[each] for one in found]) for each in ("pairs", "likeliest", "own_answers")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def middle(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def machine() -> dict[str, Any]:
    import transformers

    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="the sizes of the test")
    parser.add_argument("--grid", action="store_true", help="DPO against MM-DPO over k and w instead")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/easy_vqa.jsonl"))
    parser.add_argument("--kept", type=Path, help="a file of finished seeds: those in it are not run again")
    given = parser.parse_args()
    torch.set_num_threads(1)
    perform = one_grid if given.grid else one_seed
    done = {each["seed"]: each for each in read_lines(given.kept)} if given.kept else {}
    for seed in sorted(set(range(given.seeds)) - set(done)):
        with tempfile.TemporaryDirectory() as place:
            done[seed] = perform(Path(place), SHORT if given.short else LONG, seed)
        print(as_json(done[seed]), file=sys.stderr, flush=True)
        if given.kept:
            append_lines(given.kept, [done[seed]])
    found = [done[seed] for seed in range(given.seeds)]
    print(grid_table(found) if given.grid else table(found))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    name = "easy_vqa_grid" if given.grid else "easy_vqa"
    with given.out.open("a", encoding="utf-8") as file:
        file.write(as_json({"benchmark": name, "short": given.short, **machine(), "seeds": found}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
