"""One judged sample as the lines of a dataset's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import mean
from typing import Any, NamedTuple

from app.annotations.schemas import DraftContent
from app.datasets import pairs
from app.datasets.pairs import Pair
from app.datasets.voting import Outcome, Vote, Voter
from app.samples.tables import Medium, Sample

ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}


class Lines(NamedTuple):
    """`sample` is None where nobody could judge it. fallen: pairs that were not kept, by the reason."""

    sample: dict[str, Any] | None
    pairs: list[Vote]
    fallen: Counter[str]
    judges: int
    """Annotations or decisions that could judge; the others of the sample could not."""
    margins: Mapping[Pair, float] = {}
    """Those of its pairs that came with the imported data."""


def lines_of(
    sample: Sample, voters: list[Voter], outcome: Outcome, split: str, margins: Mapping[Pair, float] = {}
) -> Lines:
    """The line of samples.jsonl and the pairs of one sample. margins: δ by pair, also of other samples.

    A pair that people turned has no margin: what was said of it the other way round is not made up anew.
    """
    if not voters:
        return Lines(None, [], Counter(), 0)
    contents = {voter.author: voter.content for voter in voters}
    first = voters[0].content
    line = {
        "id": f"s{sample.id}",
        "split": split,
        "domain": sample.domain,
        **({"danger": sample.danger} if sample.danger else {}),
        "question_type": sample.question_type,
        "prompt": sample.prompt,
        "media": [{"kind": medium.kind, "path": medium_path(medium)} for medium in sample.seen],
        "responses": responses_of(sample, voters),
        "tie": all(content.tie for content in contents.values()),
        "rank_reason": first.rank_reason,
    }
    own = {vote.pair: margins[vote.pair] for vote in outcome.kept if vote.pair in margins}
    return Lines(line, outcome.kept, outcome.fallen, len(voters), own)


def medium_path(medium: Medium) -> str:
    return f"media/{medium.blob_sha256}{ENDINGS.get(medium.media_type, '')}"


def responses_of(sample: Sample, voters: list[Voter]) -> list[dict[str, Any]]:
    """The models' responses in their order, then what annotators wrote to break a tie."""
    contents = {voter.author: voter.content for voter in voters}
    ranks = pairs.ranks_of(contents, {voter.author: voter.weight for voter in voters})
    rows = [
        _response(pairs.key_of(each.id), each.text, each.model, "model", ranks)
        | {
            "scores": _mean_scores(str(each.id), contents),
            "critique": next((c.reasons[str(each.id)] for c in contents.values() if c.reasons.get(str(each.id))), ""),
        }
        | _spans(str(each.id), contents)
        for each in sample.responses
    ]
    for id, content in contents.items():
        if content.positive is not None:
            rows.append(_response(pairs.positive_key(id), content.positive, None, "positive", ranks))
        if content.negative is not None:
            rows.append(_response(pairs.negative_key(id), content.negative.text, None, "negative", ranks))
    return rows


def _response(key: str, text: str, model: str | None, origin: str, ranks: dict[str, int]) -> dict[str, Any]:
    row = {"id": key, "text": text, "model": model, "origin": origin, "rank": ranks.get(key)}
    return {**row, "scores": {}, "critique": ""}


def _spans(response: str, contents: dict[str, DraftContent]) -> dict[str, Any]:
    """What people marked in a response, where they did: its words, whether they are wrong or good, and why."""
    marked = [span for content in contents.values() for span in content.spans if span.response == response]
    return {"spans": [{"text": each.quote, "kind": each.kind, "note": each.note} for each in marked]} if marked else {}


def _mean_scores(response: str, contents: dict[str, DraftContent]) -> dict[str, float]:
    marks: dict[str, list[int]] = {}
    for content in contents.values():
        for criterion, score in content.scores.get(response, {}).items():
            marks.setdefault(criterion, []).append(score)
    return {criterion: round(mean(scores), 6) for criterion, scores in sorted(marks.items())}
