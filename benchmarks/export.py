"""Export of 120,000 pairs: seconds, peak memory beside that of a tenth, and whether a repetition gives the same bytes.

.venv/bin/python -m benchmarks.export
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

REPLIES = 4
TEXT = "Two people stand at a crossing, a cyclist waits behind them, and the light above is red. " * 4


def frozen(pairs: int) -> None:
    """A dataset folder as freezing leaves it, without pictures: text alone is what grows."""
    from app.core import storage
    from app.datasets import folder
    from app.datasets.pairs import Pair
    from app.datasets.voting import Vote

    place = storage.dataset_folder(1)
    (place / "media").mkdir(parents=True)
    per_sample = REPLIES * (REPLIES - 1) // 2
    with (place / "samples.jsonl").open("wb") as samples, (place / "pairs.jsonl").open("wb") as lines:
        for sample in range(1, pairs // per_sample + 1):
            keys = [f"r{sample * REPLIES + place}" for place in range(REPLIES)]
            line = {
                "id": f"s{sample}",
                "split": "train",
                "domain": "image",
                "question_type": "long",
                "prompt": f"What is shown in picture {sample}?",
                "media": [],
                "tie": False,
                "rank_reason": TEXT,
                "responses": [
                    {
                        "id": key,
                        "text": f"{key}: {TEXT}",
                        "model": "m",
                        "origin": "model",
                        "rank": rank,
                        "scores": {"helpfulness": 4.0},
                        "critique": TEXT,
                    }
                    for rank, key in enumerate(keys, 1)
                ],
            }
            samples.write(folder.line_of(line))
            for better, worse in combinations(keys, 2):
                lines.write(folder.line_of(folder.pair_line(line, Vote(Pair(better, worse), 2, 0, 0, 1.0))))
    folder.write_card(place, CARD)
    folder.seal(place)


NOTHING = {"samples": 0, "pairs": 0}
CARD = {
    "name": "bench",
    "project": "bench",
    "criteria": ["helpfulness"],
    "credits": [],
    "counts": {
        "samples": 0,
        "pairs": 0,
        "responses": 0,
        "annotations": 0,
        "reasons": 0,
        "ties": 0,
        "positives": 0,
        "negatives": 0,
        "train": NOTHING,
        "held_out": NOTHING,
        "by_question_type": {},
        "by_domain": {},
    },
    "settings": {"held_out_share": 0.2, "seed": 0, "aggregation": {"rule": "accepted"}, "left_out": {}},
}


def measure(pairs: int, kind: str) -> None:
    """In a process of its own, since peak memory never falls; prints one JSON line."""
    import resource

    from app.datasets import export
    from app.datasets.tables import Dataset

    dataset = Dataset(
        id=1, name="bench", version=1, counts={"pairs": pairs, "train": {"pairs": pairs}, "held_out": NOTHING}
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, cpu, sums, size = time.perf_counter(), time.process_time(), hashlib.sha256(), 0
    for piece in export.stream(dataset, kind):
        sums.update(piece)
        size += len(piece)
    spent = time.process_time() - cpu, time.perf_counter() - clock
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        json.dumps(
            {"cpu": spent[0], "clock": spent[1], "MB": size / 1e6, "grown": grown / 1024, "sha": sums.hexdigest()}
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=120_000)
    parser.add_argument("--one", default="")
    args = parser.parse_args()
    if args.one:
        measure(args.pairs, args.one)
        return
    print(
        f"{'format':10} {'pairs':>8} {'CPU s':>7} {'clock s':>8} {'ZIP MB':>7} {'memory grew by':>15}  same bytes again"
    )
    for pairs in (args.pairs // 10, args.pairs):
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"STORAGE_URL": str(Path(folder) / "storage"), "ASSAY_DATA": folder}
            from app.core.settings import settings

            settings.cache_clear()
            frozen(pairs)
            from app.datasets.export import FORMATS

            for kind in FORMATS:
                command = [sys.executable, "-m", "benchmarks.export", "--pairs", str(pairs), "--one", kind]
                one, two = (json.loads(subprocess.check_output(command)) for _ in range(2))
                same = "yes" if one["sha"] == two["sha"] else "NO"
                told = f"{one['cpu']:7.1f} {one['clock']:8.1f} {one['MB']:7.1f} {one['grown']:12.1f} MB"
                print(f"{kind:10} {pairs:8,} {told}  {same}", flush=True)


if __name__ == "__main__":
    main()
