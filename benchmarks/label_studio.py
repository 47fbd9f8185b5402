"""Label Studio beside this platform: on the same PostgreSQL, under gunicorn, with the same work for its annotators.

It is not installed with this project: `python -m venv LS; LS/bin/pip install label-studio gunicorn`, then name
LS/bin/python to `benchmarks.queue --label-studio`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
from sqlalchemy.engine import make_url

from benchmarks.crowd import CRITERIA, REPLIES
from benchmarks.serving import SENTENCE, Platform, cpu_of

LABELS = "\n".join(
    [
        '<View><Text name="text" value="$text"/><List name="replies" value="$replies" title="Replies"/>',
        '<Ranker name="rank" toName="replies"/>',
        *[f'<Rating name="rating{n}" toName="text" maxRating="5"/>' for n in range(CRITERIA * REPLIES)],
        '<TextArea name="why" toName="text"/></View>',
    ]
)
# Run by its own Python. Tasks are written in bulk: the queue's length is what matters here, not the import.
PREPARE = """
import json, sys
from django.core.management import call_command
from django.contrib.auth import get_user_model
asked = json.loads(sys.argv[1])
from organizations.models import Organization
from projects.models import Project
from rest_framework.authtoken.models import Token
from tasks.models import Task
users = get_user_model().objects
if not users.filter(email="p1@example.org"):
    first = users.create_user(email="p1@example.org", password="correct horse battery")
    first.active_organization = Organization.create_organization(created_by=first, title="Bench")
    first.active_organization.jwt.legacy_api_tokens_enabled = True
    first.active_organization.jwt.save()
    first.save()
organization = users.get(email="p1@example.org").active_organization
secrets = []
for number in range(1, asked["people"] + 1):
    user = users.filter(email=f"p{number}@example.org").first()
    if user is None:
        user = users.create_user(email=f"p{number}@example.org", password="correct horse battery")
        organization.add_user(user)
        user.active_organization = organization
        user.save()
    secrets.append(Token.objects.get_or_create(user=user)[0].key)
project = Project.objects.create(
    title=asked["slug"], organization=organization, created_by=organization.created_by, label_config=asked["labels"],
    maximum_annotations=1,
)
replies = [{"id": f"r{n}", "body": asked["sentence"]} for n in range(asked["replies"])]
data = {"text": "What happens in this scene?", "replies": replies}
rows = (Task(project=project, data=data, overlap=1, inner_id=n) for n in range(asked["tasks"]))
Task.objects.bulk_create(rows, batch_size=2000)
project.summary.update_data_columns(Task.objects.filter(project=project)[:10])
print(json.dumps({"project": project.id, "secrets": secrets}))
"""


@dataclass(frozen=True)
class Peer:
    """One that runs. database: its own, on the other platform's server."""

    url: str
    python: str
    environment: dict[str, str]
    beside: Platform
    server: int
    """gunicorn's process."""

    def queue(self, slug: str, tasks: int, people: int) -> tuple[str, list[str]]:
        """The number of a project with so many open tasks, and the tokens of its people."""
        content = {"labels": LABELS, "sentence": SENTENCE, "replies": REPLIES}
        asked = {"slug": slug, "tasks": tasks, "people": people, **content}
        made = run(self.python, self.environment, PREPARE, json.dumps(asked))
        answer: dict[str, Any] = json.loads(made.strip().splitlines()[-1])
        return str(answer["project"]), answer["secrets"]

    def cpu(self) -> dict[str, float]:
        """CPU seconds of its web server and of the database up to now."""
        return {"web": cpu_of([self.server]), "database": cpu_of([self.beside.postmaster()])}

    def audit(self, project: str) -> dict[str, int]:
        """Its annotations of the project, and tasks that were judged more than once."""
        url = self.beside.database.replace("+psycopg", "")
        with psycopg.connect(str(make_url(url).set(database="peer").render_as_string(hide_password=False))) as link:
            of_tasks = "FROM task_completion WHERE project_id = %s GROUP BY task_id"
            made = link.execute(f"SELECT count(*) {of_tasks}", (project,)).fetchall()
        return {
            "annotations": sum(n for (n,) in made),
            "samples judged beyond the overlap": sum(n > 1 for (n,) in made),
        }


@contextmanager
def started(python: str, beside: Platform, workers: int = 2) -> Iterator[Peer]:
    """Its database made and migrated, then gunicorn with so many processes."""
    home = Path(
        subprocess.check_output([python, "-c", "import label_studio as l; print(l.__path__[0])"], text=True).strip()
    )
    folder = Path(tempfile.mkdtemp(prefix="assay-peer-", dir="/var/tmp"))
    with psycopg.connect(beside.database.replace("+psycopg", ""), autocommit=True) as link:
        link.execute("CREATE DATABASE peer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = told(home, folder, beside) | {"HOST": f"http://127.0.0.1:{port}"}
    print("Label Studio: migrating its database", file=sys.stderr, flush=True)
    run(python, environment, "from django.core.management import call_command; call_command('migrate', verbosity=0)")
    command = [
        python,
        "-m",
        "gunicorn",
        "--workers",
        str(workers),
        "--bind",
        f"127.0.0.1:{port}",
        "core.wsgi:application",
    ]
    log = (folder / "gunicorn.log").open("wb")
    server = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        until_it_answers(url, server, folder / "gunicorn.log")
        yield Peer(url, python, environment, beside, server.pid)
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def told(home: Path, folder: Path, beside: Platform) -> dict[str, str]:
    at = make_url(beside.database)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHONPATH")},
        "PYTHONPATH": str(home),
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
        "DJANGO_DB": "default",
        "POSTGRE_NAME": "peer",
        "POSTGRE_USER": at.username or "",
        "POSTGRE_PASSWORD": at.password or "",
        "POSTGRE_HOST": str(at.query.get("host") or at.host or ""),
        "POSTGRE_PORT": str(at.port or 5432),
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "COLLECT_ANALYTICS": "0",
        "LATEST_VERSION_CHECK": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }


def run(python: str, environment: dict[str, str], script: str, *words: str) -> str:
    """A script with its Django set up; what it printed."""
    script = f"import django; django.setup()\n{script}"
    done = subprocess.run(
        [python, "-c", script, *words],
        cwd=environment["PYTHONPATH"],  # before any package of ours that has the same name as one of its own
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode:
        raise SystemExit(f"Label Studio: {done.stderr[-3000:]}")
    return done.stdout


def until_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    while True:
        if server.poll() is not None:
            raise SystemExit(log.read_text(errors="replace")[-3000:])
        try:
            urlopen(f"{url}/health", timeout=20).close()
            return
        except HTTPError:
            return
        except OSError:
            time.sleep(0.5)
