"""One judged sample as the lines of a dataset's files."""

from __future__ import annotations

from statistics import mean
from typing import Any, NamedTuple

from app.annotations.schemas import DraftContent
from app.datasets import pairs
from app.datasets.queries import Judged
from app.samples.tables import Medium

ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}


class Lines(NamedTuple):
    """`sample` is None where nobody could judge it. dropped: pairs without a majority."""

    sample: dict[str, Any] | None
    pairs: list[pairs.Pair]
    dropped: int


def lines_of(judged: Judged, split: str) -> Lines:
    """The line of samples.jsonl and the pairs of one sample."""
    contents = {id: DraftContent.model_validate(content) for id, content in judged.contents.items()}
    contents = {id: content for id, content in contents.items() if content.cannot_judge is None}
    if not contents:
        return Lines(None, [], 0)
    agreed = pairs.agree([pairs.pairs_of(content, id) for id, content in contents.items()])
    sample = judged.sample
    first = next(iter(contents.values()))
    line = {
        "id": f"s{sample.id}",
        "split": split,
        "domain": sample.domain,
        "question_type": sample.question_type,
        "prompt": sample.prompt,
        "media": [{"kind": medium.kind, "path": medium_path(medium)} for medium in sample.seen],
        "responses": responses_of(judged, contents),
        "tie": all(content.tie for content in contents.values()),
        "rank_reason": first.rank_reason,
    }
    return Lines(line, sorted(agreed.kept), agreed.dropped)


def medium_path(medium: Medium) -> str:
    return f"media/{medium.blob_sha256}{ENDINGS.get(medium.media_type, '')}"


def responses_of(judged: Judged, contents: dict[int, DraftContent]) -> list[dict[str, Any]]:
    """The models' responses in their order, then what annotators wrote to break a tie."""
    ranks = pairs.ranks_of(contents)
    rows = [
        _response(pairs.key_of(each.id), each.text, each.model, "model", ranks)
        | {
            "scores": _mean_scores(str(each.id), contents),
            "critique": next((c.reasons[str(each.id)] for c in contents.values() if c.reasons.get(str(each.id))), ""),
        }
        for each in judged.sample.responses
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


def _mean_scores(response: str, contents: dict[int, DraftContent]) -> dict[str, float]:
    marks: dict[str, list[int]] = {}
    for content in contents.values():
        for criterion, score in content.scores.get(response, {}).items():
            marks.setdefault(criterion, []).append(score)
    return {criterion: round(mean(scores), 6) for criterion, scores in sorted(marks.items())}
