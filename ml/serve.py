"""python -m ml serve: policies answer and a reward model judges, token by token, as JSON lines over the pipes.

In, a line a request; a question while another is answered waits:
    {"id": 7, "question": "…", "images": ["/path"], "longest": 256, "temperature": 0.0, "reward": "/path" or null,
     "policies": {"left": {"checkpoint": "/path"}, "right": {"checkpoint": "/path", "base": true}}}
    {"stop": 7}
Out, each with the request's id:
    {"kind": "loading", "side": …}                           before a model is read; reward is a side here
    {"kind": "answer", "side": …, "text": "…"}               what came since the last line
    {"kind": "answered", "side": …, "tokens": …, "cut": …}   cut: it was as long as it may be
    {"kind": "critique", "side": …, "text": "…"}
    {"kind": "judged", "side": …, "score": …}
    {"kind": "done"}, {"kind": "stopped"} or {"kind": "failed", "error": "NameOfError", "what": "…"}

Models stay loaded, the least recently used going first; the end of the input ends the process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any

from ml import checkpoints, models, pictures
from ml.base import base_of
from ml.config import Evaluate
from ml.data import Medium, Response, Sample
from ml.errors import BadRequest, Refused
from ml.policy import Policy
from ml.reward_model import RewardModel
from ml.spelling import Spelling

SIDES = ("left", "right")
Line = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request as it was read; each side names a checkpoint's folder, and whether its base is meant instead."""

    id: int
    question: str
    images: tuple[Path, ...]
    policies: dict[str, tuple[Path, bool]]
    reward: Path | None
    longest: int
    temperature: float

    @classmethod
    def read(cls, line: Line) -> Asked:
        """Raises BadRequest."""
        try:
            sides = {
                side: (Path(each["checkpoint"]), bool(each.get("base"))) for side, each in line["policies"].items()
            }
            return cls(
                int(line["id"]),
                str(line["question"]),
                tuple(Path(each) for each in line.get("images", ())),
                sides,
                Path(line["reward"]) if line.get("reward") else None,
                int(line.get("longest", 256)),
                float(line.get("temperature", 0.0)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRequest(f"a request lacks or misspells something: {type(error).__name__}: {error}") from None

    def sample(self, answers: dict[str, str] | None = None) -> Sample:
        media = tuple(Medium("image", path) for path in self.images)
        given = tuple(Response(side, text, None, "", None, "model") for side, text in (answers or {}).items())
        return Sample(f"turn-{self.id}", "all", "image", "long", self.question, media, given)


class Shelf:
    """Loaded models by what they were read from, at most `most` of them."""

    def __init__(self, config: Evaluate, most: int) -> None:
        self.config, self.most = config, most
        self._loaded: OrderedDict[str, Policy | RewardModel] = OrderedDict()

    def policy(self, folder: Path, base: bool) -> tuple[str, Callable[[], Policy]]:
        """What the policy is known by here, and how it is read. Raises BadCheckpoint."""
        meta = checkpoints.read_meta(folder, "policy")
        if base:
            name = base_of(self.config.base or meta["base"])
            return f"base {name}", lambda: Policy(models.load(name, self.config), self.config)
        return f"policy {folder}", lambda: Policy(checkpoints.open_model(folder, meta, self.config), self.config)

    def reward(self, folder: Path) -> tuple[str, Callable[[], RewardModel]]:
        return f"reward {folder}", lambda: RewardModel.open(folder, self.config)

    def has(self, key: str) -> bool:
        return key in self._loaded

    def take(self, key: str, read: Callable[[], Any]) -> Any:
        """The model, read if it is not there yet; another goes where there are too many."""
        if key not in self._loaded:
            while len(self._loaded) >= self.most:
                self._loaded.popitem(last=False)
            self._loaded[key] = read()
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def clear(self) -> None:
        self._loaded.clear()


class Server:
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.stopped: set[int] = set()

    def perform(self, asked: Asked) -> Iterator[Line]:
        """Every line of one request but its last. Raises Refused, and what a machine without room raises."""
        for path in asked.images:
            pictures.load(path, self.shelf.config.max_pixels).close()  # a bad one is named before models are read
        voices: dict[str, Policy] = {}
        for side, (folder, base) in asked.policies.items():
            key, read = self.shelf.policy(folder, base)
            if not self.shelf.has(key):
                yield {"kind": "loading", "side": side}
            voices[side] = self.shelf.take(key, read)
        answers: dict[str, str] = {}
        yield from self._answers(asked, voices, answers)
        voices.clear()
        if asked.reward is not None and not self._stopped(asked):
            yield from self._judged(asked, asked.reward, answers)

    def _answers(self, asked: Asked, voices: dict[str, Policy], answers: dict[str, str]) -> Iterator[Line]:
        """Both sides in turn, a token each, so that they are read side by side."""
        sample, began = asked.sample(), time.monotonic()
        writing = {
            side: (voice.answer(sample, asked.longest, asked.temperature), Spelling(voice.model.encoder))
            for side, voice in voices.items()
        }
        while writing and not self._stopped(asked):
            for side, (tokens, spelling) in list(writing.items()):
                token = next(tokens, None)
                text = spelling.add(token) if token is not None else spelling.rest()
                if text:
                    yield {"kind": "answer", "side": side, "text": text}
                if token is None:
                    del writing[side]
                    answers[side] = spelling.said
                    count, seconds = spelling.count, round(time.monotonic() - began, 3)
                    cut = count >= asked.longest
                    yield {"kind": "answered", "side": side, "tokens": count, "seconds": seconds, "cut": cut}

    def _judged(self, asked: Asked, folder: Path, answers: dict[str, str]) -> Iterator[Line]:
        key, read = self.shelf.reward(folder)
        if not self.shelf.has(key):
            yield {"kind": "loading", "side": "reward"}
        judge: RewardModel = self.shelf.take(key, read)
        whole = asked.sample(answers)
        for side in answers:
            sample = replace(whole, responses=(whole.response(side),))
            critiques: dict[tuple[str, str], str] = {}
            if judge.critical:
                spelling = Spelling(judge.model.encoder)
                for token in judge.critique(sample):
                    if self._stopped(asked):
                        return
                    if text := spelling.add(token):
                        yield {"kind": "critique", "side": side, "text": text}
                if text := spelling.rest():
                    yield {"kind": "critique", "side": side, "text": text}
                critiques[sample.id, side] = spelling.said.strip()
            (score,) = judge.scores(sample, critiques)
            yield {"kind": "judged", "side": side, "score": score}

    def _stopped(self, asked: Asked) -> bool:
        return asked.id in self.stopped

    def answer(self, line: Line) -> Iterator[Line]:
        """Every line of one request, down to the one that ends it."""
        number = line.get("id")
        try:
            asked = Asked.read(line)
            for each in self.perform(asked):
                yield {"id": asked.id, **each}
            yield {"id": asked.id, "kind": "stopped" if self._stopped(asked) else "done"}
        except Refused as error:
            yield {"id": number, "kind": "failed", "error": type(error).__name__, "what": str(error)}
        except Exception as error:  # such as a full card: told, and the next question may be a smaller one
            traceback.print_exc()
            self.shelf.clear()
            yield {"id": number, "kind": "failed", "error": type(error).__name__, "what": str(error)[:300]}


def listen(incoming: IO[str], server: Server, asked: SimpleQueue[Line | None]) -> None:
    """Read requests until the input ends; a stop is heard at once, whatever is going on."""
    for text in incoming:
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            asked.put({"id": None})
        elif "stop" in line:
            server.stopped.add(line["stop"])
        else:
            asked.put(line)
    asked.put(None)


def main(arguments: list[str]) -> int:
    """python -m ml serve [--keep N] [--device NAME] [--critique TOKENS]"""
    parser = argparse.ArgumentParser(prog="python -m ml serve", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=int, default=3, help="models that stay loaded at most")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--critique", type=int, default=256, help="longest critique, in tokens")
    given = parser.parse_args(arguments)
    # Libraries may print: what they say goes where logs go, and the pipe stays ours.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = Server(Shelf(Evaluate(device=given.device, max_critique_tokens=given.critique), max(1, given.keep)))
    asked: SimpleQueue[Line | None] = SimpleQueue()
    Thread(target=listen, args=(sys.stdin, server, asked), daemon=True).start()
    while (line := asked.get()) is not None:
        for each in server.answer(line):
            out.write(json.dumps(each, ensure_ascii=False) + "\n")
            out.flush()
    return 0
