"""Which critique each response has: the human reason or an approved expanded one."""

from __future__ import annotations

from ml.data import Dataset, Sample, read_critiques
from ml.errors import MissingCritiques
from ml.folder import RunFolder

Key = tuple[str, str]
NAMED = 12
"""Responses that a note names before it only counts."""


def human(dataset: Dataset) -> dict[Key, str]:
    """Every human reason that is not empty."""
    return {(s.id, r.id): r.critique for s in dataset.samples.values() for r in s.responses if r.critique.strip()}


def given(dataset: Dataset, folder: RunFolder) -> dict[Key, str]:
    """The approved expanded critiques, and the human reason where there is none."""
    expanded = read_critiques(folder.input("critiques.jsonl"), dataset) if folder.has("critiques.jsonl") else {}
    return human(dataset) | expanded


def to_learn(origin: str, dataset: Dataset, samples: list[Sample], folder: RunFolder) -> dict[Key, str]:
    """The critiques that a reward model learns from; notes name the responses that lack one.

    Raises MissingCritiques where no response of the samples has one. Empty for the origin "none".
    """
    if origin == "none":
        return {}
    found = human(dataset)
    if origin == "expanded":
        expanded = read_critiques(folder.input("critiques.jsonl"), dataset)
        _note(
            folder,
            "that have no expanded critique, where the human reason stands in",
            _lacking(samples, expanded, found),
        )
        found |= expanded
    wanted = [(sample.id, each.id) for sample in samples for each in sample.responses]
    lacking = [key for key in wanted if key not in found]
    if len(lacking) == len(wanted):
        raise MissingCritiques(f"no response of the training samples has a critique of the origin {origin!r}")
    _note(folder, "that have no critique, left out with their pairs", lacking)
    return found


def _lacking(samples: list[Sample], expanded: dict[Key, str], human: dict[Key, str]) -> list[Key]:
    wanted = [(sample.id, each.id) for sample in samples for each in sample.responses]
    return [key for key in wanted if key not in expanded and key in human]


def _note(folder: RunFolder, what: str, keys: list[Key]) -> None:
    if keys:
        names = ", ".join(f"{sample}/{response}" for sample, response in keys[:NAMED])
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        folder.note(f"responses {what}: {len(keys)} ({names}{more})", "warning")
