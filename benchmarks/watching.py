"""Viewers of one live run page behind the web server as `assay up` starts it, asked by real HTTP clients.

    python -m benchmarks.watching [--viewers 100] [--seconds 60] [--every 1.0] [--out benchmarks/results/watching.jsonl]

A run reports a metric each `--every` seconds, written to its table as a trainer's worker writes it. Each viewer keeps
the page's stream open. Measured: CPU of the web server and the database as a share of one core, without what the same
seconds cost with no viewer; and how long after its row was written a metric was at each viewer (median, 95 %, longest).
Whether each viewer was told each metric once is counted.

Clients and servers share this machine; the stream is what a browser reads, drawing it is not in the figure.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.accounts.guard import COOKIE
from benchmarks.annotating import started
from benchmarks.measuring import machine, note
from benchmarks.serving import Platform, reach

RUN = """
INSERT INTO memberships (project_id, user_id, role)
  SELECT p.id, u.id, 'researcher' FROM projects p, users u WHERE p.slug = 'watched' AND u.email LIKE 'p%@example.org';
INSERT INTO runs (project_id, recipe, name, config, created_by, created_at, fence, claimed_by, claimed_at, heartbeat_at,
                  started_at, log_tail)
  SELECT p.id, 'reward', 'watched', '{}', u.id, now(), 1, 'benchmark', now(), now() + interval '1 day', now(), ''
  FROM projects p, users u WHERE p.slug = 'watched' AND u.email = 'p1@example.org';
SELECT max(id) FROM runs
"""
METRIC = """
INSERT INTO metrics (run_id, line, kind, payload, at)
  VALUES (:run, :line, 'metric', CAST(:payload AS jsonb), now())
"""


class Viewer(threading.Thread):
    """One open stream: when each step was read, by the clock of this machine."""

    def __init__(self, url: str, path: str, secret: str) -> None:
        super().__init__(daemon=True)
        self.read: dict[int, list[float]] = {}
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self.connection.request("GET", path, headers={"cookie": f"{COOKIE}={secret}", "accept-encoding": "identity"})
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise SystemExit(f"{path} answered {self.answer.status}")

    def run(self) -> None:
        try:
            for line in self.answer:
                if line.startswith(b"data:") and b'"step":' in line:
                    step = json.loads(line[5:])["step"]
                    self.read.setdefault(step, []).append(time.monotonic())
        except (OSError, ValueError, http.client.HTTPException):
            return  # the server was stopped at the end


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the platform is ended with it
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/watching.jsonl"))
    given = parser.parse_args()
    with started() as (url, folder):
        platform = reach(url, folder)
        secrets = platform.people(given.viewers)
        platform.queue("watched", 1)
        run = platform.rows(RUN)[0][0]
        alone, _ = reported(platform, run, given, first=0)
        path = f"/projects/watched/runs/{run}/events"
        viewers = [Viewer(url, path, secret) for secret in secrets]
        for viewer in viewers:
            viewer.start()
        time.sleep(5)  # all have caught up
        watched, written = reported(platform, run, given, first=1_000_000)
        time.sleep(3)
    found = {**seen(viewers, written), **{f"{name}, % of a core": watched[name] - alone[name] for name in watched}}
    width = max(map(len, found))
    print("\n".join(f"{name:{width}}  {value:10.3f}" for name, value in found.items()))
    note(given.out, {"benchmark": "watching", **vars(given), **found, **machine("fastapi", "sqlalchemy")} | {"out": ""})
    return 0


def reported(
    platform: Platform, run: int, given: argparse.Namespace, first: int
) -> tuple[dict[str, float], dict[int, float]]:
    """Percent of a core by server while the run reports, and when each step was written."""
    written: dict[int, float] = {}
    before, began = platform.cpu(), time.monotonic()
    while time.monotonic() - began < given.seconds:
        step = first + len(written)
        values = {"loss": 1.0, "accuracy": 0.5, "margin": 0.1, "lr": 1e-5, "grad_norm": 1.0, "tokens_per_second": 900.0}
        payload = {"kind": "metric", "step": step, "split": "train", "at": time.time(), "values": values}
        platform.rows(METRIC, run=run, line=step, payload=json.dumps(payload))
        written[step] = time.monotonic()
        time.sleep(given.every)
    after, lasted = platform.cpu(), time.monotonic() - began
    return {name: 100 * (after[name] - before[name]) / lasted for name in after}, written


def seen(viewers: list[Viewer], written: dict[int, float]) -> dict[str, Any]:
    """Delays over every viewer and step, and how many were told not once."""
    delays = sorted(
        viewer.read[step][0] - moment for viewer in viewers for step, moment in written.items() if step in viewer.read
    )
    told = [len(viewer.read.get(step, [])) for viewer in viewers for step in written]
    return {
        "metrics": float(len(written)),
        "seconds to a viewer, median": statistics.median(delays),
        "seconds to a viewer, 95 %": delays[int(0.95 * (len(delays) - 1))],
        "seconds to a viewer, longest": delays[-1],
        "told never": float(told.count(0)),
        "told twice": float(sum(many > 1 for many in told)),
    }


if __name__ == "__main__":
    sys.exit(main())
