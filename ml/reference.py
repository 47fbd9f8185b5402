"""log π_ref of responses, computed once before training and kept by content: a second run on the same pairs reads them.

Kept in the folder that ML_CACHE names (else ~/.cache/assay), a file a model. The key of a value is a hash of
everything that decides it: question, pictures, response, and how both are cut.
"""

from __future__ import annotations

import torch

from ml import parallel
from ml.data import Sample
from ml.folder import RunFolder, append_lines, read_lines, write_jsonl
from ml.identity import cache_folder, file_hash, hash_of, model_hash
from ml.policy import Policy

Key = tuple[str, str]


def reference_of(folder: RunFolder, policy: Policy, groups: list[list[Sample]]) -> dict[Key, float]:
    """log π_ref of every response of the groups; the run folder lists them, whether computed or read."""
    path = folder.path / "reference.jsonl"
    if path.exists():
        return {(row["sample"], row["response"]): row["log_probability"] for row in read_lines(path)}
    store = cache_folder() / "reference" / f"{model_hash(policy.model)}.jsonl"
    known = {row["key"]: row["value"] for row in read_lines(store)}
    hashes = {key: each for group in groups for sample in group for key, each in hashes_of(policy, sample).items()}
    missing = [g for g in groups if any(hashes[s.id, r.id] not in known for s in g for r in s.responses)]
    fresh = _computed(folder, policy, missing)
    if missing and parallel.leads():
        append_lines(store, ({"key": hashes[key], "value": value} for key, value in fresh.items()))
    if len(missing) < len(groups):
        folder.note(f"reference log-probabilities: {len(hashes) - len(fresh)} read from {store.parent}")
    found = {key: fresh[key] if key in fresh else known[each] for key, each in hashes.items()}
    if parallel.leads():
        rows = ({"sample": s, "response": r, "log_probability": value} for (s, r), value in found.items())
        write_jsonl(path, rows)
    return found


def _computed(folder: RunFolder, policy: Policy, groups: list[list[Sample]]) -> dict[Key, float]:
    """Each process computes its share."""
    found: dict[Key, float] = {}
    for done in range(parallel.rank(), len(groups), parallel.world()):
        with torch.no_grad():
            told = policy.tell(groups[done])
        values = told.sums.tolist()
        found |= {key: values[place] for key, place in told.index.items()}
        folder.progress("reference", done + 1, len(groups))
        folder.halt()
    return {key: value for some in parallel.gathered(found) if isinstance(some, dict) for key, value in some.items()}


def hashes_of(policy: Policy, sample: Sample) -> dict[Key, str]:
    """A hash of everything but the model that decides each response's log-probability."""
    config = policy.prompts.config
    media = [(each.kind, file_hash(each.path)) for each in sample.media]
    asked = [sample.prompt, media, config.max_pixels, config.max_frames, policy.limit]
    return {(sample.id, r.id): hash_of([*asked, r.text]) for r in sample.responses}
