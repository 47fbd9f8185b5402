"""A platform that really runs, filled by SQL with queues of any length, and what its processes cost."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.core.sealing import fingerprint
from app.core.settings import Settings
from app.embedded import linux
from app.embedded.services import MARK, borrowed
from app.projects.rubric import DEFAULT, Criterion
from benchmarks.crowd import CRITERIA, REPLIES

LEVELS = ["none", "little", "some", "much", "all"]
SENTENCE = "Two people wait beside a red bus near the corner while it rains and a dog sleeps under the bench."
PEOPLE = """
INSERT INTO users (email, name, password_hash)
  SELECT 'p' || n || '@example.org', 'Person ' || n, '-' FROM generate_series(1, :people) n ON CONFLICT DO NOTHING
"""
SIGN_IN = """
INSERT INTO sign_ins (user_id, secret_sha256, expires_at, agent)
  SELECT id, :sha256, now() + interval '1 day', 'benchmark' FROM users WHERE email = :email ON CONFLICT DO NOTHING
"""
QUEUE = """
INSERT INTO projects (slug, name, description, guidelines, rubric, overlap, lease_minutes)
  VALUES (:slug, :slug, '', '', CAST(:rubric AS jsonb), 1, 60);
INSERT INTO memberships (project_id, user_id, role)
  SELECT p.id, u.id, 'annotator' FROM projects p, users u WHERE p.slug = :slug AND u.email LIKE 'p%@example.org';
INSERT INTO lanes (project_id, language, skill) SELECT id, '', '' FROM projects WHERE slug = :slug;
INSERT INTO samples (project_id, external_id, prompt, domain, question_type, content_sha256, credit)
  SELECT p.id, n::text, 'What happens in scene ' || n || '?', 'image', 'long', n::text, ''
  FROM projects p, generate_series(1, :tasks) n WHERE p.slug = :slug;
INSERT INTO responses (sample_id, position, model, text)
  SELECT s.id, r, 'model-' || r, :sentence FROM samples s JOIN projects p ON p.id = s.project_id,
  generate_series(0, :last) r WHERE p.slug = :slug;
INSERT INTO tasks (project_id, sample_id, slot, priority, lane_id, out_of_turn)
  SELECT p.id, s.id, 0, 0, l.id, false FROM samples s JOIN projects p ON p.id = s.project_id
  JOIN lanes l ON l.project_id = p.id WHERE p.slug = :slug ORDER BY s.id
"""


@dataclass(frozen=True)
class Platform:
    """A running one: its address, its data folder, its database."""

    url: str
    folder: Path
    database: str

    def rows(self, statement: str, **bound: Any) -> list[Any]:
        """Each statement between semicolons in one transaction; the rows of the last."""
        found: list[Any] = []
        with sa.create_engine(self.database).begin() as session:
            for each in filter(str.strip, statement.split(";")):
                given = {name: value for name, value in bound.items() if f":{name}" in each.replace("::", "")}
                answer = session.execute(sa.text(each.replace("::text", "\\:\\:text")).bindparams(**given))
                found = list(answer) if answer.returns_rows else []
        return found

    def people(self, many: int) -> list[str]:
        """So many annotators who are signed in: the secrets of their cookies."""
        self.rows(PEOPLE, people=many)
        secrets = [f"benchmark-secret-{number}" for number in range(1, many + 1)]
        for number, secret in enumerate(secrets, 1):
            self.rows(SIGN_IN, sha256=fingerprint(secret), email=f"p{number}@example.org")
        return secrets

    def queue(self, slug: str, tasks: int) -> None:
        """A project with so many open tasks, for everybody who is there."""
        more = [Criterion(key=f"more{n}", name=f"More {n}", levels=LEVELS) for n in range(CRITERIA)]
        rubric = {"criteria": [each.model_dump() for each in [*DEFAULT.criteria, *more][:CRITERIA]]}
        self.rows(QUEUE, slug=slug, tasks=tasks, rubric=json.dumps(rubric), sentence=SENTENCE, last=REPLIES - 1)
        with sa.create_engine(self.database, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))

    def audit(self) -> dict[str, int]:
        """What the database says afterwards: annotations, and tasks held or judged more than once."""
        many = "SELECT count(*) FROM"
        twice = "GROUP BY task_id HAVING count(DISTINCT user_id) > 1) x"
        held = self.rows(f"{many} (SELECT task_id FROM leases WHERE opened_at IS NOT NULL {twice}")[0][0]
        judged = self.rows(f"{many} (SELECT sample_id FROM annotations {twice.replace('task_id', 'sample_id')}")[0][0]
        made = self.rows(f"{many} annotations")[0][0]
        return {"annotations": made, "tasks held by two": held, "samples judged beyond the overlap": judged}

    def cpu(self) -> dict[str, float]:
        """CPU seconds that the web server and the database have used up to now."""
        named = {pid: _command(pid) for pid in linux.carrying(f"{MARK}={self.folder}")}
        web = [pid for pid, words in named.items() if "app.embedded.serve" in words]
        return {"web": cpu_of(web), "database": cpu_of([self.postmaster()])}

    def postmaster(self) -> int:
        named = {pid: _command(pid) for pid in linux.carrying(f"{MARK}={self.folder}")}
        return next(pid for pid, words in named.items() if "/postgres " in words)


def reach(url: str, folder: Path) -> Platform:
    """The platform that `benchmarks.annotating.started` has started."""
    with borrowed(Settings(ASSAY_DATA=folder)) as env:
        return Platform(url, folder, env["DATABASE_URL"])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def cpu_of(roots: Sequence[int]) -> float:
    """Seconds of processes, of all that they started, and of what of it has ended."""
    return sum(_seconds(pid) for root in roots for pid in [root, *linux.descendants_of(root)])


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended: its parent has its time
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
