"""Annotators as HTTP clients, each a thread with a connection of its own; a process apart, so that servers stay clean.

    python -m benchmarks.crowd ASKED     (JSON, see `Asked`; prints what it found as JSON)

The client is Python's `http.client`. Every answer but a success counts as an error, except that nothing is left.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

CRITERIA = 5
REPLIES = 4
DRAFTS = 2
RATIONALE = "The first names everything that is there; the last invents a second bus behind the corner."


@dataclass(frozen=True)
class Asked:
    """What a crowd does. secrets: one a client; projects: taken in turns; think: mean seconds between
    getting a task and submitting it; draft: it is kept twice meanwhile."""

    platform: str
    url: str
    projects: list[str]
    secrets: list[str]
    annotations: int
    draft: bool = False
    think: float = 0.0


@dataclass
class Found:
    """What came of it. times: what was asked → milliseconds of each request; taken: task → who got it."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    made: int = 0
    seconds: float = 0.0

    @property
    def doubly_held(self) -> int:
        """Tasks that more than one client was given; nobody here lets a task go."""
        return sum(len(set(people)) > 1 for people in self.taken.values())


class Desk(Protocol):
    """How one platform is spoken to."""

    def next(self, client: Client, project: str) -> tuple[str, Any] | None: ...
    def draft(self, client: Client, project: str, task: str, content: Any) -> None: ...
    def submit(self, client: Client, project: str, task: str, content: Any) -> bool: ...


class Client:
    """One annotator's connection."""

    def __init__(self, asked: Asked, number: int, found: Found) -> None:
        self.asked, self.number, self.found = asked, number, found
        self.host = urlsplit(asked.url).netloc
        self.wire = http.client.HTTPConnection(self.host, timeout=60)
        self.secret = asked.secrets[number]

    def ask(self, what: str, method: str, path: str, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
        """Status and JSON of the answer; its time is kept under `what`."""
        sent = json.dumps(body).encode() if body is not None else None
        begun = time.perf_counter()
        try:
            text, status = self._answer(method, path, sent, {"content-type": "application/json", **headers})
        except (OSError, http.client.HTTPException) as problem:
            self.wire.close()
            self.found.errors[f"{what}: {type(problem).__name__}"] += 1
            return 0, None
        self.found.times[what].append((time.perf_counter() - begun) * 1000)
        if status >= 400:
            self.found.errors[f"{what}: {status}"] += 1
        return status, json.loads(text) if text and status < 400 else None

    def _answer(self, method: str, path: str, sent: bytes | None, headers: dict[str, str]) -> tuple[bytes, int]:
        """On a new connection where the server has closed the one that rested, as browsers do."""
        for is_last in (False, True):
            try:
                self.wire.request(method, path, sent, headers)
                answer = self.wire.getresponse()
                return answer.read(), answer.status
            except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
                self.wire.close()
                if is_last:
                    raise
        raise AssertionError("the loop returns or raises")


class Assay:
    """This platform, as its annotate page speaks to it."""

    def _headers(self, client: Client) -> dict[str, str]:
        return {"cookie": f"assay_session={client.secret}", "origin": client.asked.url}

    def next(self, client: Client, project: str) -> tuple[str, Any] | None:
        path = f"/api/v1/projects/{project}/leases"
        status, task = client.ask(f"next {project}", "POST", path, self._headers(client))
        return (str(task["task"]), judged(task)) if status == 201 else None

    def draft(self, client: Client, project: str, task: str, content: Any) -> None:
        path = f"/api/v1/projects/{project}/tasks/{task}/draft"
        client.ask("draft", "PUT", path, self._headers(client), {"content": content, "active_seconds": 30})

    def submit(self, client: Client, project: str, task: str, content: Any) -> bool:
        path = f"/api/v1/projects/{project}/tasks/{task}/annotation"
        body = {"content": content, "key": f"{task}-{client.number}", "active_seconds": 60}
        return client.ask("submit", "POST", path, self._headers(client), body)[0] == 201


def judged(task: dict[str, Any]) -> dict[str, Any]:
    """Twenty ratings, a ranking, a rationale, and the reasons beside the ratings that this platform asks for."""
    replies = [each["id"] for each in task["responses"]]
    criteria = [each["key"] for each in task["rubric"]["criteria"]]
    return {
        "scores": {reply: {key: random.randint(1, 5) for key in criteria} for reply in replies},
        "reasons": dict.fromkeys(replies, "Names what is there."),
        "ranking": [[reply] for reply in random.sample(replies, len(replies))],
        "tie": False,
        "rank_reason": RATIONALE,
    }


class LabelStudio:
    """The peer, as its own page speaks to it."""

    def _headers(self, client: Client) -> dict[str, str]:
        return {"authorization": f"Token {client.secret}"}

    def next(self, client: Client, project: str) -> tuple[str, Any] | None:
        path = f"/api/projects/{project}/next"
        status, task = client.ask(f"next {project}", "GET", path, self._headers(client))
        return (str(task["id"]), labelled()) if status == 200 else None

    def draft(self, client: Client, project: str, task: str, content: Any) -> None:
        path = f"/api/tasks/{task}/drafts?project={project}"
        client.ask("draft", "POST", path, self._headers(client), {"result": content, "lead_time": 30})

    def submit(self, client: Client, project: str, task: str, content: Any) -> bool:
        path = f"/api/tasks/{task}/annotations?project={project}"
        body = {"result": content, "lead_time": 60, "was_cancelled": False}
        return client.ask("submit", "POST", path, self._headers(client), body)[0] == 201


def labelled() -> list[dict[str, Any]]:
    """The same judgement in its format."""
    ratings = [
        {
            "from_name": f"rating{number}",
            "to_name": "text",
            "type": "rating",
            "value": {"rating": random.randint(1, 5)},
        }
        for number in range(CRITERIA * REPLIES)
    ]
    order = [f"r{number}" for number in random.sample(range(REPLIES), REPLIES)]
    ranking = {"from_name": "rank", "to_name": "replies", "type": "ranker", "value": {"ranker": {"rank": order}}}
    why = {"from_name": "why", "to_name": "text", "type": "textarea", "value": {"text": [RATIONALE]}}
    return [*ratings, ranking, why]


DESKS: dict[str, Desk] = {"assay": Assay(), "label-studio": LabelStudio()}


def work(asked: Asked) -> Found:
    """Everybody at once until so many annotations are begun."""
    found, left, lock = Found(), iter(range(asked.annotations)), threading.Lock()

    def annotate(number: int) -> None:
        client, desk, draw = Client(asked, number, found), DESKS[asked.platform], random.Random(number)
        if asked.think:
            time.sleep(draw.uniform(0, asked.think))  # people do not all begin at one moment
        while True:
            with lock:
                nth = next(left, None)
            if nth is None:
                return
            project = asked.projects[nth % len(asked.projects)]
            one(client, desk, project, draw)

    def one(client: Client, desk: Desk, project: str, draw: random.Random) -> None:
        task = desk.next(client, project)
        if task is None:
            return
        with lock:
            found.taken[f"{project} {task[0]}"].append(client.number)
        for _ in range(DRAFTS if asked.draft else 0):
            time.sleep(draw.uniform(0.5, 1.5) * asked.think / DRAFTS)
            desk.draft(client, project, *task)
        done = desk.submit(client, project, *task)
        with lock:
            found.made += done

    threads = [threading.Thread(target=annotate, args=(number,)) for number in range(len(asked.secrets))]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.seconds = time.perf_counter() - begun
    return found


def send(asked: Asked) -> dict[str, Any]:
    """The crowd in a process of its own; what it found, see `main`."""
    command = [sys.executable, "-m", "benchmarks.crowd", json.dumps(asdict(asked))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        raise SystemExit(f"the crowd failed:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def main() -> None:
    sys.setswitchinterval(0.001)
    found = work(Asked(**json.loads(sys.argv[1])))
    told = {"times": found.times, "errors": found.errors, "made": found.made, "seconds": found.seconds}
    print(json.dumps(told | {"doubly_held": found.doubly_held}))


if __name__ == "__main__":
    main()
