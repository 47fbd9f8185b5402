"""Agreement of a large project on real PostgreSQL: cold, from the cache, after a submission; the libraries beside it.

    .venv/bin/python -m benchmarks.agreement --annotations 100000

Seconds are of this process's CPU and of the clock; the peers are used plainly, as their manuals show.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import orjson
import psycopg
from scipy.stats import kendalltau

from benchmarks.simulated import CRITERIA, HONEST, Simulated, simulate

REASON = "It names what is shown and misses one thing, as the guidelines say. " * 3


@contextmanager
def database() -> Iterator[None]:
    """A migrated server of its own."""
    from app.core import migrations
    from app.embedded import owner
    from app.embedded.postgres import Postgres, new_password, running

    folder = Path(tempfile.mkdtemp(prefix="assay-bench-", dir="/tmp"))
    folder.chmod(0o711)
    servant = owner.servant()
    server = Postgres(folder / "cluster", owner.private_folder(folder / "s", servant), new_password(), servant)
    os.environ.setdefault("SECRET_KEY", "only for a benchmark")
    try:
        with running(server):
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE bench")
            os.environ["DATABASE_URL"] = server.url("bench")
            migrations.upgrade()
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(made: Simulated) -> Any:
    """The simulated project as rows; returns its admin's seat."""
    from app.accounts import actions as accounts
    from app.core.db import make_session
    from app.projects import actions as projects
    from app.projects import queries
    from app.projects.guard import Seat

    with make_session() as session:
        admin = accounts.add_user(session, "ada@example.org", "Ada", "correct horse battery", True)
        project = projects.create(session, admin, "Large", overlap=2)
        projects.give_role(session, admin, project, admin.email, "admin")
        session.commit()
        seat = Seat(admin, project, queries.roles_of(session, admin, project))
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        _copy(connection, made, seat.project.id)
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
    return seat


def _copy(connection: Any, made: Simulated, project: int) -> None:
    users = {user: 1000 + user for user in made.people}
    replies = len(made.rows[0].order)
    samples = sorted({row.sample for row in made.rows})

    def copy(table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
        with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as out:
            for row in rows:
                out.write_row(row)

    copy(
        "users",
        "id, email, name, password_hash",
        ((id, f"{id}@example.org", f"Person {id}", "-") for id in users.values()),
    )
    copy(
        "samples",
        "id, project_id, external_id, prompt, domain, question_type, content_sha256, credit",
        (
            (
                id,
                project,
                str(id),
                "What is shown?",
                ("image", "video", "safety")[id % 3],
                ("long", "short", "mcq")[id % 3],
                str(id),
                "",
            )
            for id in samples
        ),
    )
    copy(
        "responses",
        "id, sample_id, position, model, text",
        (
            (id, 1 + (id - 1) // replies, (id - 1) % replies, "m", "x" * int(length))
            for id, length in zip(made.responses.tolist(), made.lengths.tolist(), strict=True)
        ),
    )
    lane = connection.execute(
        "INSERT INTO lanes (project_id, language, skill) VALUES (%s, '', '') RETURNING id", (project,)
    ).fetchone()[0]
    ids = [row.annotation for row in made.rows]
    slots: dict[int, int] = {}
    tasks = []
    for row in made.rows:
        slots[row.sample] = slots.get(row.sample, -1) + 1
        tasks.append((row.annotation, project, row.sample, slots[row.sample], 0, "2026-11-01", users[row.user], lane))
    copy("tasks", "id, project_id, sample_id, slot, priority, done_at, done_by_id, lane_id", iter(tasks))
    copy(
        "annotations",
        'id, project_id, task_id, sample_id, user_id, "order", idempotency_key, active_seconds, submitted_at',
        (
            (
                *(row.annotation, project, row.annotation, row.sample, users[row.user]),
                *(
                    orjson.dumps(row.order).decode(),
                    str(row.annotation),
                    row.seconds,
                    time.strftime("%F %T+00", time.gmtime(row.at)),
                ),
            )
            for row in made.rows
        ),
    )
    copy(
        "revisions",
        "id, annotation_id, number, author_id, content",
        ((row.annotation, row.annotation, 1, users[row.user], content(row)) for row in made.rows),
    )
    for table in ("users", "samples", "responses", "tasks", "annotations", "revisions"):
        connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    print(f"{len(ids):,} annotations of {len(samples):,} samples by {len(users)} people", flush=True)


def content(row: Any) -> str:
    """A revision's content with reasons as long as people write them."""
    return orjson.dumps(
        {
            "scores": row.scores,
            "ranking": row.ranking,
            "reasons": {id: f"{id}: {REASON}" for id in row.scores},
            "rank_reason": REASON,
            "tie": len(row.ranking) == 1,
            "positive": None,
            "negative": None,
            "cannot_judge": None,
        }
    ).decode()


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    clock, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.process_time() - cpu, time.perf_counter() - clock


def page(seat: Any) -> list[Any]:
    """Everything that the page of agreement computes."""
    from app.core.db import make_session
    from app.quality import pages, reports

    with make_session() as session:
        kept = reports.of(session, seat)
        pages._cells(kept, "tau")
        reports.parts(session, seat, kept, "type")
        return reports.figures(kept, seat.rubric)


def people(seat: Any) -> Any:
    from app.core.db import make_session
    from app.quality import reports

    with make_session() as session:
        return reports.persons(session, seat, reports.of(session, seat))


def submit_one(row: Any) -> None:
    """One more annotation, by somebody who has not judged that sample."""
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(LATE, (row.annotation, row.annotation))


LATE = """
WITH a AS (SELECT * FROM annotations WHERE id = %s),
t AS (
  INSERT INTO tasks (project_id, sample_id, slot, priority, lane_id)
  SELECT a.project_id, a.sample_id, 19, 0, lanes.id FROM a JOIN lanes ON lanes.project_id = a.project_id RETURNING id
),
n AS (
  INSERT INTO annotations (project_id, task_id, sample_id, user_id, "order", idempotency_key, active_seconds)
  SELECT a.project_id, t.id, a.sample_id, (SELECT id FROM users WHERE email = 'ada@example.org'), a."order", 'late', 60
  FROM a, t RETURNING id, user_id
)
INSERT INTO revisions (annotation_id, number, author_id, content)
SELECT n.id, 1, n.user_id, r.content FROM n, revisions r WHERE r.annotation_id = %s
"""


def peer_alpha(made: Simulated) -> float:
    """krippendorff.alpha of one criterion, coders × units."""
    table = np.full((len(made.people), len(made.responses)), np.nan)
    for row in made.rows:
        for response, marks in row.scores.items():
            table[row.user - 1, int(response) - 1] = marks[CRITERIA[0]]
    return float(krippendorff.alpha(table, level_of_measurement="ordinal", value_domain=[1, 2, 3, 4, 5]))


def peer_tau(made: Simulated) -> float:
    """scipy.stats.kendalltau of every two people of a sample."""
    by_sample: dict[int, list[list[int]]] = {}
    for row in made.rows:
        rank = {id: place for place, group in enumerate(row.ranking) for id in group}
        by_sample.setdefault(row.sample, []).append([rank[id] for id in sorted(rank)])
    taus = [kendalltau(one, other).statistic for each in by_sample.values() for one, other in combinations(each, 2)]
    return float(np.nanmean(taus))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    made = simulate([HONEST[number % 8] for number in range(args.people)], args.annotations // 2, 2)
    with database():
        seat = fill(made)
        from app.quality import pages as _loaded  # noqa: F401  (as in a server that runs)

        figures, *cold = timed(lambda: page(seat))
        lines = [("page of agreement, cold", *cold)]
        cached = [timed(lambda: page(seat))[1:] for _ in range(9)]
        lines.append(("the same from its cache (median of 9)", *np.median(cached, axis=0).tolist()))
        submit_one(made.rows[0])
        after, *late = timed(lambda: page(seat))
        lines.append(("the same after one more submission", *late))
        assert (
            after[0].figure.units == figures[0].figure.units and after[0].figure.people == figures[0].figure.people + 1
        )
        lines.append(("page of annotators, cold", *timed(lambda: people(seat))[1:]))
        lines.append(("the same from its cache", *timed(lambda: people(seat))[1:]))
    ours = {named.key: named.figure.value for named in figures}
    if not args.no_peers:
        alpha, *spent = timed(lambda: peer_alpha(made))
        lines.append((f"peer: krippendorff.alpha, one criterion ({alpha:.4f}, ours {ours[CRITERIA[0]]:.4f})", *spent))
        tau, *spent = timed(lambda: peer_tau(made))
        lines.append((f"peer: scipy kendalltau, every pair ({tau:.4f}, ours {ours['tau']:.4f})", *spent))
    print(f"\n{'':64} {'CPU s':>8} {'clock s':>8}")
    for name, cpu, clock in lines:
        print(f"{name:64} {cpu:8.3f} {clock:8.3f}")
    print(
        json.dumps(
            {
                "annotations": args.annotations,
                "python": platform.python_version(),
                "machine": platform.machine(),
                "lines": lines,
            }
        )
    )


if __name__ == "__main__":
    main()
