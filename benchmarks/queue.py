"""The queue on real PostgreSQL behind the web server as `assay up` starts it, asked by real HTTP clients.

    python -m benchmarks.queue [--large 1000000] [--label-studio LS/bin/python] [--out benchmarks/results/queue.jsonl]

1. 16 clients flat out, next and submit, in projects of 5,000 and of 50,000 tasks: CPU of the servers an annotation,
   annotations a second. One annotation is 20 ratings, a ranking and a rationale. Beside it, in turns and on the same
   PostgreSQL, Label Studio where its Python is named.
2. 200 annotators at once in a project of 1,000,000 tasks (next, two drafts, submit; each at their own pace).
3. One client's next task in that project and in one of 10,000, in turns.

Everything, the clients too, runs on this machine. Afterwards the database is asked what it holds.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.annotating import started as start_assay
from benchmarks.crowd import Asked, send
from benchmarks.label_studio import Peer
from benchmarks.label_studio import started as start_peer
from benchmarks.measuring import machine, note
from benchmarks.serving import Platform, reach

CLIENTS = 16
SIZES = (5_000, 50_000)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the platform is ended with it
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, default=1_500, help="of each flat-out round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--think", type=float, default=20.0, help="mean seconds that each takes for a sample")
    parser.add_argument("--each", type=int, default=5, help="annotations that each of the people makes")
    parser.add_argument("--label-studio", metavar="PYTHON", help="of an environment where it is installed")
    parser.add_argument("--peer-annotations", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/queue.jsonl"))
    given = parser.parse_args()
    with start_assay() as (url, folder):
        platform = reach(url, folder)
        secrets = platform.people(max(CLIENTS, given.people))
        found: dict[str, Any] = {"flat out": flat_out(platform, secrets, given)}
        if given.large:
            platform.queue("small", 10_000)
            platform.queue("large", given.large)
            found |= {"at once": at_once(platform, secrets, given), "next task": growth(platform, secrets)}
        found["afterwards"] = platform.audit()
    print(table(found))
    note(given.out, {"benchmark": "queue", **vars(given), **found, **machine("fastapi", "sqlalchemy")} | {"out": ""})
    return 0


def flat_out(platform: Platform, secrets: Sequence[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Ours and the peer's, in turns, at each size."""
    found = []
    with peer_of(given.label_studio, platform) as peer:
        for size in SIZES:
            slug = f"flat-{size}"
            platform.queue(slug, size)
            theirs = peer.queue(slug, size, CLIENTS) if peer else None
            work = Asked("assay", platform.url, [slug], list(secrets[:CLIENTS]), given.annotations)
            send(Asked("assay", platform.url, [slug], list(secrets[:CLIENTS]), 50))  # the first ones warm it up
            for turn in range(given.rounds):
                print(f"{size:,} tasks, turn {turn + 1}", file=sys.stderr, flush=True)
                found.append({"tasks": size, "platform": "assay", **costs(work, platform.cpu)})
                if peer and theirs:
                    asked = Asked("label-studio", peer.url, [theirs[0]], theirs[1], given.peer_annotations)
                    found.append({"tasks": size, "platform": "Label Studio", **costs(asked, peer.cpu)})
            if peer and theirs:
                found[-1]["afterwards"] = peer.audit(theirs[0])
    return found


@contextmanager
def peer_of(python: str | None, platform: Platform) -> Iterator[Peer | None]:
    if python is None:
        yield None
        return
    with start_peer(python, platform) as peer:
        yield peer


def costs(work: Asked, cpu: Callable[[], dict[str, float]]) -> dict[str, Any]:
    """CPU milliseconds an annotation of web server and database, annotations a second, errors."""
    before = cpu()
    found = send(work)
    spent = {name: 1000 * (after - before[name]) / max(found["made"], 1) for name, after in cpu().items()}
    times = [each for name, list_ in found["times"].items() if name.startswith("next") for each in list_]
    return {
        "made": found["made"],
        "web ms": spent["web"],
        "database ms": spent["database"],
        "a second": found["made"] / found["seconds"],
        "next p50 ms": statistics.median(times),
        "errors": found["errors"],
        "tasks given twice": found["doubly_held"],
    }


def at_once(platform: Platform, secrets: Sequence[str], given: argparse.Namespace) -> dict[str, Any]:
    """Many people in the large project, each at their own pace."""
    work = Asked("assay", platform.url, ["large"], list(secrets[: given.people]), given.people * given.each)
    paced = Asked(**{**vars(work), "draft": True, "think": given.think})
    before = platform.cpu()
    found = send(paced)
    spent = {name: after - before[name] for name, after in platform.cpu().items()}
    return {
        "people": given.people,
        "tasks": given.large,
        "made": found["made"],
        "a second": found["made"] / found["seconds"],
        "cores": sum(spent.values()) / found["seconds"],
        "ms": {name.split()[0]: percentiles(times) for name, times in found["times"].items()},
        "errors": found["errors"],
        "tasks given twice": found["doubly_held"],
    }


def percentiles(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "requests": len(times)}


def growth(platform: Platform, secrets: Sequence[str]) -> dict[str, float]:
    """One client alone, its requests in the two projects in turns."""
    found = send(Asked("assay", platform.url, ["small", "large"], list(secrets[:1]), 600))
    small, large = (statistics.median(found["times"][f"next {name}"]) for name in ("small", "large"))
    return {"small ms": small, "large ms": large, "ratio": large / small}


def table(found: dict[str, Any]) -> str:
    lines = [
        f"{'16 clients flat out':<28}{'tasks':>10}{'web ms':>9}{'db ms':>8}{'both':>8}{'a second':>10}  errors, twice"
    ]
    for one in found["flat out"]:
        web, database = one["web ms"], one["database ms"]
        lines.append(
            f"{one['platform']:<28}{one['tasks']:>10,}{web:>9.1f}{database:>8.1f}{web + database:>8.1f}"
            f"{one['a second']:>10.1f}  {sum(one['errors'].values())}, {one['tasks given twice']}"
        )
        if "afterwards" in one:
            lines.append(f"  afterwards: {one['afterwards']}")
    if "at once" in found:
        lines += ["", *paced_lines(found["at once"]), growth_line(found["next task"])]
    return "\n".join([*lines, f"afterwards: {found['afterwards']}"])


def paced_lines(crowd: dict[str, Any]) -> list[str]:
    lines = [
        f"{crowd['people']} at once, {crowd['tasks']:,} tasks: {crowd['a second']:.1f} annotations/s, "
        f"{crowd['cores']:.2f} cores, errors {crowd['errors']}, tasks given twice {crowd['tasks given twice']}"
    ]
    for name, of in crowd["ms"].items():
        cuts = "   ".join(f"{cut} {of[cut]:7.1f} ms" for cut in ("p50", "p95", "p99"))
        lines.append(f"  {name:<10} {cuts}   ({of['requests']:,})")
    return lines


def growth_line(grown: dict[str, float]) -> str:
    large, small = grown["large ms"], grown["small ms"]
    return f"next task: {large:.1f} ms in the large project, {small:.1f} ms in 10,000: ratio {grown['ratio']:.2f}"


if __name__ == "__main__":
    sys.exit(main())
