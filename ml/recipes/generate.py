"""Several models respond to each sample: endpoints of OpenAI's protocol side by side, and local models in batches.

A response is on disk, with its prompt and settings, before the next is asked for; what is there is not asked again.
A question that fails after its last try is written down as failed, and asked again when the run is resumed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ml import pictures
from ml.asked import Asked, models_of
from ml.chat import FAILED, OK, REFUSED, Chat, Reply, says_no
from ml.config import Generate
from ml.data import Medium, Sample
from ml.endpoint import content
from ml.errors import BadImage, BadSample, NoModels, Stopped
from ml.folder import RunFolder, append_lines, as_json, read_lines, write_text
from ml.ledger import Ledger

IN_A_ROW = 10
"""Questions failed one after the other, each tried to the end, after which a model is not asked any more."""

PICTURE_TOKENS = 800
"""What a picture may take, for the pace; settled with what the endpoint says."""

PATIENCE = 5.0
"""Seconds that answers under way get when the run is asked to stop."""

Work = list[Sample]


def run(folder: RunFolder, config: Generate) -> None:
    models = models_of(folder.path / "inputs" / "models.json", config)
    work = work_of(folder, config, models)
    ledger = Ledger(folder, models, {name: len(samples) for name, samples in work.items()})
    left = {name: [each for each in samples if (each.id, name) not in ledger.done] for name, samples in work.items()}
    append_lines(ledger.path, [])  # there also where nothing is left to ask
    if ledger.done:
        folder.note(f"responses already written: {len(ledger.done)}")
    ledger.show()
    asking = Asking(folder, config, ledger)
    try:
        for model in models:
            if not model.is_local:
                asking.begin(model, left[model.name])
        for model in models:
            if model.is_local and left[model.name]:
                respond_locally(asking, model, left[model.name])
        asking.wait()
    finally:
        asking.end()
        ledger.show()
    told = ledger.result()
    if not told["responses"] and any(left.values()):
        raise NoModels(f"none of the models answered: {ledger.why()}")
    if told["failed"]:
        folder.note(f"questions without an answer, which a new run asks again: {told['failed']}", "warning")
    write_text(folder.output / "settings.json", as_json(settings_of(config)) + "\n")
    folder.result({"samples": len({each.id for samples in work.values() for each in samples}), **told})


def work_of(folder: RunFolder, config: Generate, models: Sequence[Asked]) -> dict[str, Work]:
    """By model, the samples that it is asked about. Raises BadSample, NoModels."""
    found: dict[str, Work] = {each.name: [] for each in models}
    enough = asked = 0
    for number, row in enumerate(read_lines(folder.input("samples.jsonl")), 1):
        sample, have = sample_of(folder, row, f"samples.jsonl line {number}")
        missing = [name for name in found if name not in have][: max(0, config.wanted - len(have))]
        enough += len(have) >= config.wanted
        if not missing or (config.limit and asked >= config.limit):
            continue
        asked += 1
        for name in missing:
            found[name].append(sample)
    if enough:
        folder.note(f"samples that stay as they are, with {config.wanted} responses or more: {enough}")
    if not asked and not enough:
        raise NoModels("inputs/samples.jsonl names no sample that any of the models has still to answer")
    return found


def sample_of(folder: RunFolder, row: dict[str, Any], where: str) -> tuple[Sample, list[str]]:
    """A sample, and the names of the models whose responses it has."""
    media, have = row.get("media"), row.get("have", [])
    if not isinstance(row.get("id"), str) or not isinstance(row.get("prompt"), str) or not isinstance(media, list):
        raise BadSample(f"{where} has no id, no prompt or no list of media")
    if not isinstance(have, list) or not all(isinstance(each, dict) and each.get("path") for each in media):
        raise BadSample(f"{where}: have is a list of names, and each medium has a path")
    inputs = folder.path / "inputs"
    seen = tuple(Medium(str(m.get("kind")), inputs / m["path"]) for m in media if m.get("kind") != "video")
    domain = str(row.get("domain", "image"))
    return Sample(row["id"], "", domain, "", row["prompt"], seen, ()), [str(each) for each in have]


def settings_of(config: Generate) -> dict[str, Any]:
    """What is kept with each response beside its prompt."""
    return {
        "temperature": config.temperature,
        "max_tokens": config.max_new_tokens,
        "seed": config.seed,
        "system": config.system_prompt,
    }


def prompt_of(config: Generate, sample: Sample) -> str:
    return f"{config.instruction}\n\n{sample.prompt}" if config.instruction else sample.prompt


class Asking:
    """Threads that ask endpoints, each model by as many as it may be asked at once."""

    def __init__(self, folder: RunFolder, config: Generate, ledger: Ledger) -> None:
        self.folder, self.config, self.ledger = folder, config, ledger
        self.stopped = threading.Event()
        self.threads: list[threading.Thread] = []
        self.problem: BaseException | None = None

    def begin(self, model: Asked, samples: Work) -> None:
        chat = Chat(model, self.config.retries, self.config.timeout, self.config.stream, self.stopped)
        queue = Queue(samples)
        for _ in range(min(model.concurrency, len(samples))):
            thread = threading.Thread(target=self._work, args=(chat, queue), daemon=True, name=model.name)
            thread.start()
            self.threads.append(thread)

    def look(self) -> None:
        """Raises what a thread met, or Stopped."""
        if self.problem is not None:
            raise self.problem
        self.folder.halt()

    def wait(self) -> None:
        for each in self.threads:
            while each.is_alive():
                self.look()
                each.join(0.2)
        self.look()

    def end(self) -> None:
        self.stopped.set()
        deadline = time.monotonic() + PATIENCE
        for each in self.threads:
            each.join(max(0.0, deadline - time.monotonic()))

    def _work(self, chat: Chat, queue: Queue) -> None:
        try:
            for sample in queue:
                if self.stopped.is_set() or self.folder.stopping:
                    return
                begun = time.monotonic()
                reply = self._ask(chat, sample)
                self.ledger.add(self.row(chat.asked, sample, reply, time.monotonic() - begun))
                if fault := queue.judge(reply):
                    self.ledger.give_up(chat.asked.name, fault)
        except Stopped:
            return
        except BaseException as problem:  # the run ends with it, in the thread that waits
            self.problem = self.problem or problem
            self.stopped.set()

    def _ask(self, chat: Chat, sample: Sample) -> Reply:
        try:
            images = pictures.of_sample(sample, self.config.max_pixels, self.config.max_frames)
        except BadImage as problem:
            return Reply(FAILED, tries=0, fault=str(problem))
        prompt = prompt_of(self.config, sample)
        body = {
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_new_tokens,
            "seed": self.config.seed,
            "messages": messages(self.config, content(prompt, images)),
        }
        booked = len(prompt) // 3 + PICTURE_TOKENS * len(images) + self.config.max_new_tokens
        return chat.ask(body, booked)

    def row(self, model: Asked, sample: Sample, reply: Reply, seconds: float) -> dict[str, Any]:
        return {
            "sample": sample.id,
            "model": model.name,
            "state": reply.state,
            "text": reply.text,
            "finish": reply.finish,
            "tokens_in": reply.tokens_in,
            "tokens_out": reply.tokens_out,
            "cost": model.cost(reply.tokens_in, reply.tokens_out),
            "seconds": round(seconds, 3),
            "tries": reply.tries,
            "fault": reply.fault,
            "prompt": prompt_of(self.config, sample),
            "settings": {"by": model.url or "local", "model": model.model, **settings_of(self.config)},
            "at": round(time.time(), 3),
        }


class Queue:
    """One model's samples, for several threads; it ends where the model is given up."""

    def __init__(self, samples: Work) -> None:
        self._left: Iterator[Sample] = iter(samples)
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._over = False

    def __iter__(self) -> Iterator[Sample]:
        return self

    def __next__(self) -> Sample:
        with self._lock:
            if self._over:
                raise StopIteration
            return next(self._left)

    def judge(self, reply: Reply) -> str:
        """Why the model is not to be asked any more, said once; else empty."""
        with self._lock:
            # A picture that cannot be read was never asked about and says nothing of the model.
            if reply.tries:
                self._in_a_row = self._in_a_row + 1 if reply.state == FAILED else 0
            if self._over or not (reply.hopeless or self._in_a_row >= IN_A_ROW):
                return ""
            self._over = True
            return reply.fault


def messages(config: Generate, said: Any) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": config.system_prompt}] if config.system_prompt else []
    return [*system, {"role": "user", "content": said}]


def respond_locally(asking: Asking, model: Asked, samples: Work) -> None:
    """A local model, so many samples at once. The system prompt stands before the question."""
    import torch

    from ml.encoding import Suffix
    from ml.models import load
    from ml.prompts import Prompts

    config = asking.config
    asking.look()
    net = load(model.model, config)
    prompts = Prompts(net, config)
    torch.manual_seed(config.seed)
    for start in range(0, len(samples), config.batch):
        asking.look()
        begun, good = time.monotonic(), []
        for sample in samples[start : start + config.batch]:
            said = "\n\n".join(filter(None, (config.system_prompt, prompt_of(config, sample))))
            try:
                good.append((sample, *prompts.of([sample.asking(said)])))
            except BadImage as problem:
                asking.ledger.add(asking.row(model, sample, Reply(FAILED, tries=0, fault=str(problem)), 0.0))
        if not good:
            continue
        prefixes, seen = [each[1][0] for each in good], [each[2][0] for each in good]
        nothing = [[Suffix([], [])] for _ in good]
        found = net.generate(prefixes, nothing, seen, config.max_new_tokens, config.temperature)
        each_took = (time.monotonic() - begun) / len(good)
        for (sample, _, _), prefix, ids in zip(good, prefixes, found, strict=True):
            reply = local_reply(net.encoder.decode(ids).strip(), len(prefix.ids), len(ids), config.max_new_tokens)
            asking.ledger.add(asking.row(model, sample, reply, each_took))


def local_reply(text: str, tokens_in: int, tokens_out: int, longest: int) -> Reply:
    finish = "length" if tokens_out >= longest else "stop"
    reply = Reply(OK, text, finish, tokens_in, tokens_out)
    if not text:
        return replace(reply, state=FAILED, fault="the answer is empty")
    return replace(reply, state=REFUSED) if says_no(text) else reply
