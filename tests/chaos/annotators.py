"""Simulated annotators over HTTP: each takes tasks, keeps drafts and submits, and remembers what was acknowledged.

As the browser does, each sends a submission again, under the same key, until the server has said what became of it.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.crowd import judged

SLUG = "chaos"
PATIENCE = 5.0
RELOADS = 0.3
"""Share of acknowledged drafts after which the page is opened anew."""


@dataclass
class Annotator(threading.Thread):
    """One person's browser. It ends when `share` annotations are acknowledged, nothing is left, or it is asked to.

    acknowledged: key → the reason that was sent with it; surprises: answers that should not have come.
    """

    number: int
    secret: str
    port: int
    share: int
    dice: random.Random
    ending: threading.Event
    acknowledged: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    reloads: int = 0
    surprises: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return self.number

    def run(self) -> None:
        while len(self.acknowledged) < self.share and not self.ending.is_set():
            status, task = self.ask("POST", "leases")
            if status == 201:
                self.annotate(task["task"], judged(task))
            elif status == 204:
                return
            else:
                self.ending.wait(0.2)

    def annotate(self, task: int, content: dict[str, Any]) -> None:
        self.ending.wait(self.dice.random())  # people think
        content["rank_reason"] = f"draft of {self.number} on {task}"
        status, _said = self.ask("PUT", f"tasks/{task}/draft", {"content": content})
        if status == 200 and self.dice.random() < RELOADS:
            self.reload(task, content["rank_reason"])
        content["rank_reason"] = f"{self.number} on {task}"
        key = f"{self.number}-{task}"
        while True:
            body = {"content": content, "key": key, "active_seconds": 60}
            status, said = self.ask("POST", f"tasks/{task}/annotation", body)
            if status in (200, 201):
                self.acknowledged[key] = content["rank_reason"]
                return
            if 400 <= status < 500:
                self.surprises.append(f"{key}: {status} {said}")
                return
            time.sleep(0.2)

    def reload(self, task: int, written: str) -> None:
        """Open the page again: the draft that was acknowledged must be there."""
        status, said = self.ask("POST", "leases")
        if status == 201 and said["task"] == task:
            self.reloads += 1
            if (said["draft"] or {}).get("content", {}).get("rank_reason") != written:
                self.surprises.append(f"the draft of {task} is {said['draft']}, not {written!r}")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of the answer; 0 where none came."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"content-type": "application/json", "cookie": f"assay_session={self.secret}"}
        sent = json.dumps(body).encode() if body is not None else None
        try:
            wire.request(method, f"/api/v1/projects/{SLUG}/{path}", sent, headers)
            answer = wire.getresponse()
            status, text = answer.status, answer.read()
            said = json.loads(text) if text and answer.headers.get_content_subtype() == "json" else None
        except (OSError, http.client.HTTPException, ValueError):
            status, said = 0, None
        finally:
            wire.close()
        self.asked["no answer" if status == 0 else str(status)] += 1
        return status, said
