"""Rewrite each terse human reason as a fuller critique, by an OpenAI-compatible endpoint or a local model.

The human reason stays beside the expanded one, with its origin, the prompt and the parameters. What is already
written is not asked again, so a stopped run goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ml import pictures
from ml.base import base_of
from ml.config import Expand, expander_of
from ml.data import Dataset, Response, Sample, read_dataset
from ml.endpoint import Endpoint, ahead
from ml.errors import MissingCritiques
from ml.folder import RunFolder, as_json, ends_whole, read_lines

RULES = """You are given a question about the picture, one response to it, and a reviewer's short reason for its scores.
Rewrite the reason as a fuller critique of the response:
- keep every merit and every fault that the reason names, and their weight;
- be professional and put the points in a logical order;
- do not answer the question yourself;
- add nothing that the reason does not support.
Write the critique only."""

Work = tuple[Sample, Response]


def run(folder: RunFolder, config: Expand) -> None:
    who = expander_of(config, os.environ)
    dataset = read_dataset(folder.input("dataset"))
    wanted = work_of(dataset, config)
    if not wanted:
        raise MissingCritiques("no response of the dataset has a human reason to expand")
    pictures.check([sample for sample, _ in wanted])
    path = folder.output / "critiques.jsonl"
    written = {(row["sample"], row["response"]) for row in read_lines(path)}
    left = [each for each in wanted if (each[0].id, each[1].id) not in written]
    if len(left) < len(wanted):
        folder.note(f"{len(wanted) - len(left)} of {len(wanted)} critiques are already written")

    expansions = by_endpoint(config, left) if who == "endpoint" else by_model(config, left)
    path.parent.mkdir(parents=True, exist_ok=True)
    empty = 0
    with path.open("ab") as file:
        file.write(b"" if ends_whole(path) else b"\n")
        for done, ((sample, response), text, origin) in enumerate(expansions, len(wanted) - len(left) + 1):
            if text:
                file.write((as_json(row_of(sample, response, text, origin)) + "\n").encode())
                file.flush()
            empty += not text
            folder.progress("expand", done, len(wanted))
            if done % 10 == 1:
                folder.sample(done, response.critique, text, sample_id=sample.id, response_id=response.id)
            folder.halt()
    if empty:
        folder.note(f"{empty} answers were empty and are left out; start the run again to ask for them", "warning")
    folder.result({"expanded": sum(1 for _ in read_lines(path)), "reasons": len(wanted), "expander": who})


def work_of(dataset: Dataset, config: Expand) -> list[Work]:
    """Every response with a human reason."""
    samples = dataset.of(config.split)
    found = [(sample, each) for sample in samples for each in sample.responses if each.critique.strip()]
    return found[: config.limit or None]


def prompt_of(sample: Sample, response: Response) -> str:
    """What the expander reads: the rules, the question, the response and the human reason."""
    return (
        f"{RULES}\n\nQuestion:\n{sample.prompt}\n\nResponse:\n{response.text}\n\n"
        f"Reviewer's reason:\n{response.critique}\n\nCritique:"
    )


def row_of(sample: Sample, response: Response, text: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "sample": sample.id,
        "response": response.id,
        "text": text,
        "human": response.critique,
        "origin": "expanded",
        "prompt": prompt_of(sample, response),
        "parameters": parameters,
    }


def by_endpoint(config: Expand, work: list[Work]) -> Iterator[tuple[Work, str, dict[str, Any]]]:
    """Ask the endpoint, some requests at once, answers in the order of the work."""
    endpoint = Endpoint.from_environment(config, os.environ)

    def ask(each: Work) -> str:
        images = pictures.of_sample(each[0], config.max_pixels, config.max_frames) if config.send_images else []
        return endpoint.complete(prompt_of(*each), images)

    parameters = {"expander": "endpoint", "url": endpoint.url, **endpoint.parameters, "images": config.send_images}
    for each, text in ahead(ask, work, config.concurrency):
        yield each, text, parameters


def by_model(config: Expand, work: list[Work]) -> Iterator[tuple[Work, str, dict[str, Any]]]:
    """A local vision-language model, one reason at a time."""
    import torch

    from ml.models import load
    from ml.policy import respond
    from ml.prompts import Prompts

    base = base_of(config.base)
    model = load(base, config)
    torch.manual_seed(config.seed)
    parameters = {
        "expander": "local",
        "model": base,
        "temperature": config.temperature,
        "max_tokens": config.max_new_tokens,
        "seed": config.seed,
    }
    for sample, response in work:
        asked = sample.asking(prompt_of(sample, response))
        text = respond(model, Prompts(model, config), [asked], config.max_new_tokens, config.temperature)[0]
        yield (sample, response), text, parameters
