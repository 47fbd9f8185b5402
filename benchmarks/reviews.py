"""What the reviewers' pages ask of the database, at 10,000 and at 100,000 annotations: medians and their ratio.

    .venv/bin/python -m benchmarks.reviews [--small 10000] [--large 100000]

Every sample is judged by two people, nine tenths wait for a verdict, a tenth is accepted. The rows are written by SQL;
the queries are the ones that the pages call. Times are wall-clock milliseconds of one client, median of seven.
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
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from sqlalchemy.orm import Session

TIMES = 7
CONTENT = {
    "scores": {str(r): {"helpfulness": 4, "faithfulness": 3, "ethics": 5} for r in range(4)},
    "reasons": {str(r): "Right, and says why; leaves out the colour of the sky." for r in range(4)},
    "ranking": [["0"], ["1"], ["2"], ["3"]],
    "tie": False,
    "rank_reason": "The first names the most of what is there.",
    "positive": None,
    "negative": None,
    "cannot_judge": None,
}
FILL = """
INSERT INTO samples (project_id, external_id, prompt, content_sha256, domain, question_type, credit)
  SELECT :p, n::text, 'What is shown? ' || n, n::text, 'image', 'short', '' FROM generate_series(1, :many / 2) n;
INSERT INTO lanes (project_id, language, skill) VALUES (:p, '', '');
INSERT INTO tasks (project_id, sample_id, slot, priority, done_at, done_by_id, lane_id)
  SELECT :p, s.id, slot, 0, now(), u.id, l.id FROM samples s, lanes l, (VALUES (0), (1)) v(slot),
  LATERAL (SELECT id FROM users WHERE NOT is_admin ORDER BY id OFFSET (s.id % 20) * 2 + slot LIMIT 1) u;
INSERT INTO annotations (project_id, task_id, sample_id, user_id, "order", idempotency_key, active_seconds)
  SELECT :p, t.id, sample_id, done_by_id, '[]', t.id::text, 60 FROM tasks t ORDER BY t.id;
INSERT INTO revisions (annotation_id, number, author_id, content)
  SELECT a.id, 1, user_id, CAST(:content AS jsonb) FROM annotations a ORDER BY a.id;
INSERT INTO reviews (revision_id, reviewed_revision_id, reviewer_id, verdict, comment, verified)
  SELECT id, id, 1, 'accept', '', '[]' FROM revisions WHERE id % 10 = 0;
INSERT INTO disagreements (sample_id, project_id, people, value) SELECT id, :p, 2, random() FROM samples;
INSERT INTO waiting (annotation_id, project_id, sample_id, user_id, why)
  SELECT a.id, :p, a.sample_id, a.user_id, '["all"]' FROM annotations a JOIN revisions v ON v.annotation_id = a.id
  WHERE v.id % 10 <> 0;
"""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--small", type=int, default=10_000)
    asked.add_argument("--large", type=int, default=100_000)
    given = asked.parse_args()
    small, large = measured(given.small), measured(given.large)
    print(f"{'':42}{given.small:>12,}{given.large:>12,}   ratio")
    for name in small:
        print(f"{name:42}{small[name]:>9.1f} ms{large[name]:>9.1f} ms{large[name] / small[name]:>8.1f}")
    print(json.dumps({"machine": platform.platform(), "cores": os.cpu_count(), "small": small, "large": large}))


def measured(many: int) -> dict[str, float]:
    """Name → median milliseconds, with so many annotations."""
    from app.annotations import adjudicating, applying, choosing, looking, sampling
    from app.annotations.choosing import Chosen
    from app.annotations.looking import Look
    from app.annotations.selecting import Rules
    from app.projects.tables import Project

    with database() as session:
        seat = _filled(session, many)
        disputed = Look(order="disagreement")
        half = looking.lines(session, seat, disputed, looking.Place(0.5, 0), 1)[0]
        rules = Rules(newcomer_first=20, later_percent=10, disagreement_above=0.4, flagged=True, unselected="accept")
        found = {
            "the queue, oldest first": lambda: looking.lines(session, seat, Look()),
            "the queue, most disagreement first": lambda: looking.lines(session, seat, disputed),
            "the same, half-way down": lambda: looking.lines(session, seat, disputed, half.place),
            "one annotator's, most disagreement first": lambda: looking.lines(
                session, seat, Look(order="disagreement", annotator=half.annotation.user_id)
            ),
            "the next one by disagreement": lambda: looking.following(session, seat, disputed, half.annotation),
            "accepted ones, newest first": lambda: looking.lines(session, seat, Look("accepted", "newest")),
            "how many are in each state": lambda: looking.counts(session, seat),
            "samples to adjudicate": lambda: adjudicating.cases(session, seat, False),
            "preview of new rules": lambda: sampling.preview(session, seat.project, rules),
            "counting a set to annotate again": lambda: choosing.outlook(session, seat, Chosen(domain="image")),
        }
        times = {name: _median(session, ask) for name, ask in found.items()}
        begun = time.perf_counter()
        change = applying.change_rules(session, seat.user, session.get_one(Project, seat.project.id), rules)
        times["saving the rules"] = (time.perf_counter() - begun) * 1000
        steps = []
        while change.ended_at is None:
            begun = time.perf_counter()
            applying.go_on(session, change.id)
            steps.append((time.perf_counter() - begun) * 1000)
        return {**times, "applying them: each 500 samples": median(steps), "applying them: all": sum(steps)}


def _median(session: Session, ask: Callable[[], object]) -> float:
    times = []
    for _ in range(TIMES):
        session.expunge_all()
        begun = time.perf_counter()
        ask()
        times.append((time.perf_counter() - begun) * 1000)
    return median(times)


def _filled(session: Session, many: int):  # type: ignore[no-untyped-def]
    from app.accounts.actions import add_user
    from app.projects import actions as projects
    from app.projects.guard import Seat
    from app.projects.queries import roles_of

    rosa = add_user(session, "rosa@example.org", "Rosa", "correct horse battery", is_admin=True)
    project = projects.create(session, rosa, "Streets", overlap=2)
    columns = "email, name, password_hash, is_admin"
    session.execute(
        sa.text(
            f"INSERT INTO users ({columns})"
            " SELECT n || '@example.org', 'P' || n, '', false FROM generate_series(1, 41) n"
        )
    )
    for statement in filter(str.strip, FILL.split(";")):
        values = {"p": project.id, "many": many, "content": json.dumps(CONTENT)}
        asked = {name: value for name, value in values.items() if f":{name}" in statement.replace("::", "")}
        session.execute(sa.text(statement).bindparams(**asked))
    session.commit()
    session.execute(sa.text("ANALYZE"))
    return Seat(rosa, project, roles_of(session, rosa, project))


@contextmanager
def database() -> Iterator[Session]:
    """A migrated database of its own, gone afterwards."""
    from app.core import db, migrations
    from app.core.settings import settings
    from app.embedded import owner
    from app.embedded.postgres import Postgres, new_password, running

    folder = Path(tempfile.mkdtemp(prefix="assay-bench-", dir="/tmp"))
    folder.chmod(0o711)
    servant = owner.servant()
    server = Postgres(folder / "cluster", owner.private_folder(folder / "s", servant), new_password(), servant)
    try:
        with running(server):
            os.environ["DATABASE_URL"] = server.url("assay")
            settings.cache_clear()
            db.engine.cache_clear()
            migrations.upgrade()
            with db.make_session() as session:
                yield session
            db.engine().dispose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
