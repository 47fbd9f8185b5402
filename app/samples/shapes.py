"""Shapes: how others write samples down, each read as lines of ours.

The published data set's two files, LLaVA's conversations, exports of Label Studio and Argilla, and plain tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Set
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.core.language import N_
from app.core.language import gettext as _
from app.samples import mapping as columns
from app.samples.mapping import Mapping
from app.samples.schemas import question_type
from app.samples.sources import BadLine
from app.samples.tables import QUESTION_TYPES

Row = dict[str, Any]
TYPE_FOLDERS = set(QUESTION_TYPES)
TEXTS = ("text", "response", "answer", "content", "value")
MODELS = ("model", "name", "model_name")
RANKS = ("rank", "ranking")
REASONS = ("reason", "critique", "score_reason", "scores_reason")
EARLIER = "Earlier in the conversation:"


def read(shape: str, row: object, mapping: Mapping) -> Iterator[Row]:
    """The lines of ours that one record makes. Raises BadLine."""
    if not isinstance(row, dict):
        raise BadLine(_("This is no JSON object."), "line")
    try:
        yield from SHAPES[shape][1](row, mapping)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as problem:
        # Strange records differ from their shape in more ways than could be asked for one by one.
        raise BadLine(_("The record is not built as this format is (%(problem)s).", problem=problem), "line") from None


def _assay(row: Row, mapping: Mapping) -> Iterator[Row]:
    yield row


def _columns(row: Row, mapping: Mapping) -> Iterator[Row]:
    yield columns.applied(row, mapping)


def medium(row: Row) -> Row:
    """The medium's field, and what the first folder of its path tells of the category."""
    found: Row = {}
    if video := row.get("video"):
        found = {"video": video}
    elif isinstance(image := row.get("image") or row.get("images"), list):
        found = {"images": image}
    elif image:
        found = {"image": image}
    first = next(iter(found.values()), "")
    path = str(first[0] if isinstance(first, list) and first else first)
    top = PurePosixPath(path).parts[0] if path else ""
    if top in TYPE_FOLDERS:
        found["question_type"] = top
    if top == "safety":
        found["domain"] = "safety"
    return found


def _mm_rlhf(row: Row, mapping: Mapping) -> Iterator[Row]:
    """A line of data.jsonl: responses as a list of objects, or by model with scores, ranks and reasons by model too."""
    replies = [_judged_reply(reply, place) for place, reply in enumerate(_listed(row))]
    line: Row = {**medium(row), "prompt": row.get("prompt") or row.get("question")}
    for name in ("id", "domain", "danger", "question_type", "language", "credit"):
        if row.get(name) not in (None, ""):
            line[name] = row[name]
    line["responses"] = [{"model": reply["model"], "text": reply["text"]} for reply in replies]
    if replies and all(reply["rank"] is not None for reply in replies):
        line["judgement"] = {
            "scores": [reply["scores"] for reply in replies],
            "reasons": [reply["reason"] for reply in replies],
            "ranks": dense([reply["rank"] for reply in replies]),
            "rank_reason": str(row.get("rank_reason") or row.get("ranking_reason") or ""),
            "margins": row.get("ls_factors") or [],
        }
    yield line


def _listed(row: Row) -> list[Any]:
    replies = row.get("responses")
    if not isinstance(replies, dict):
        return replies if isinstance(replies, list) else []
    names = dict.fromkeys((*RANKS, "ranks"), "rank") | {"scores": "scores", "reasons": "reason", "reason": "reason"}
    found = []
    for model, text in replies.items():
        more = {field: row[name].get(model) for name, field in names.items() if isinstance(row.get(name), dict)}
        found.append({"model": model, "text": text, **more})
    return found


def _judged_reply(reply: Any, place: int) -> Row:
    if not isinstance(reply, dict):
        raise BadLine(_("A response is an object with its model and its text."), f"responses.{place}")
    rank = _first(reply, RANKS)
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int | float)):
        raise BadLine(_("A rank is a number, 1 for the best."), f"responses.{place}.rank")
    scores = reply.get("scores") if isinstance(reply.get("scores"), dict) else {}
    return {
        "model": _first(reply, MODELS) or f"model-{place + 1}",
        "text": _first(reply, TEXTS),
        "rank": rank,
        "reason": str(_first(reply, REASONS) or ""),
        "scores": {
            str(name).lower(): int(score)
            for name, score in (scores or {}).items()
            if score is not None and _is_whole(score, f"responses.{place}.scores.{name}")
        },
    }


def _is_whole(score: Any, where: str) -> bool:
    """A mean between two levels is what several people said together: no one person's score is made of it."""
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise BadLine(_("A score is a whole number."), where)
    return float(score).is_integer()


def _first(row: Row, names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def dense(ranks: list[Any]) -> list[int]:
    """1, 2, … without gaps, in the same order with the same ties."""
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)), 1)}
    return [places[rank] for rank in ranks]


def _llava(row: Row, mapping: Mapping) -> Iterator[Row]:
    """Each answered question becomes a sample; what was said before it stands above the question."""
    earlier: list[str] = []
    turns = list(_turns(row.get("conversations")))
    for number, (question, reply) in enumerate(turns, 1):
        line = {**medium(row), "prompt": _in_context(earlier, question), "reference": reply}
        line["question_type"] = question_type(question, reply)
        if row.get("id") is not None:
            line["id"] = str(row["id"]) if len(turns) == 1 else f"{row['id']}-{number}"
        yield line
        earlier += [f"Question: {question}", f"Answer: {reply}"]


def _turns(said: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(said, list) or not all(isinstance(turn, dict) for turn in said):
        raise BadLine(_("A conversation is a list of turns."), "conversations")
    asked = ""
    for turn in said:
        text = str(turn.get("value") or turn.get("content") or "")
        if (turn.get("from") or turn.get("role")) in ("human", "user"):
            asked = text.replace("<image>", "").replace("<video>", "").strip()
        elif asked and (turn.get("from") or turn.get("role")) in ("gpt", "assistant"):
            yield asked, text.strip()
            asked = ""
    if asked:
        yield asked, ""


def _in_context(earlier: list[str], question: str) -> str:
    return "\n\n".join([EARLIER, *earlier, f"Question: {question}"]) if earlier else question


def _label_studio(row: Row, mapping: Mapping) -> Iterator[Row]:
    """A task of the JSON export. A pairwise choice between two responses is kept as their ranking."""
    data = {name: _local(value) for name, value in row["data"].items()} if isinstance(row.get("data"), dict) else {}
    line = columns.applied(data, mapping or columns.guess(list(data)))
    line.setdefault("id", row.get("id"))
    results = [each for done in row.get("annotations") or [] for each in done.get("result") or []]
    sides = [each["value"].get("selected") for each in results if each.get("type") == "pairwise"]
    if len(line["responses"]) == 2 and sides and sides[-1] in ("left", "right"):
        line["judgement"] = {"ranks": [1, 2] if sides[-1] == "left" else [2, 1]}
    yield line


def _local(value: Any) -> Any:
    """A path below the media folder for what Label Studio writes as an address of its own server."""
    if not isinstance(value, str) or not value.startswith("/data/"):
        return value
    parts = urlsplit(value)
    named = parse_qs(parts.query).get("d")
    return named[0] if named else parts.path.removeprefix("/data/")


def _argilla(row: Row, mapping: Mapping) -> Iterator[Row]:
    """A record of the JSON export. A ranking question over the response fields is kept as their ranking."""
    fields = row["fields"] if isinstance(row.get("fields"), dict) else {}
    found = mapping or columns.guess(list(fields))
    line = columns.applied(fields, found)
    line.setdefault("id", row.get("id"))
    named = [key.removeprefix(columns.REPLIES) for key in found if key.startswith(columns.REPLIES)]
    named = [name for name in named if fields.get(name)]
    if len(named) > 1 and (ranks := _argilla_ranks(row.get("responses"), named)):
        line["judgement"] = {"ranks": ranks}
    yield line


def _argilla_ranks(answers: Any, named: list[str]) -> list[int]:
    for given in answers.values() if isinstance(answers, dict) else ():
        value = given[0].get("value") if isinstance(given, list) and given and isinstance(given[0], dict) else None
        if isinstance(value, list) and all(isinstance(each, dict) and "rank" in each for each in value):
            ranks = {str(each.get("value")): each["rank"] for each in value}
            if ranks.keys() == set(named):
                return dense([ranks[name] for name in named])
    return []


def _pairs(row: Row, mapping: Mapping) -> Iterator[Row]:
    """Lines of dpo_pairs.jsonl about one question and medium, gathered as {"pairs": [...]}, or a single one."""
    rows = row.get("pairs", [row])
    texts, reasons, edges = _preferences(rows)
    line = {**medium(rows[0]), "id": rows[0].get("id"), "prompt": rows[0].get("prompt")}
    line["responses"] = [{"model": f"published-{place}", "text": text} for place, text in enumerate(texts, 1)]
    line["judgement"] = {
        "ranks": ranks_of(len(texts), edges.keys()),
        "reasons": [reasons.get(text, "") for text in texts],
        "margins": [[*ends, margin] for ends, margin in edges.items() if margin is not None],
    }
    yield line


def _preferences(rows: list[Row]) -> tuple[list[str], dict[str, str], dict[tuple[int, int], float | None]]:
    """The texts, the reason for each, and the pairs of (better, worse) places with the margin of each that has one."""
    places: dict[str, int] = {}
    reasons: dict[str, str] = {}
    edges: dict[tuple[int, int], float | None] = {}
    for row in rows:
        ends = []
        for side in ("chosen", "rejected"):
            if not isinstance(text := row.get(side), str) or not text:
                raise BadLine(_("A pair has a text that was chosen and one that was rejected."), side)
            ends.append(places.setdefault(text, len(places)))
            if reason := row.get(f"{side}_reason"):
                reasons.setdefault(text, str(reason))
        edges[ends[0], ends[1]] = _margin(row.get("ls_factor"), edges.get((ends[0], ends[1])))
    return list(places), reasons, edges


def _margin(given: Any, before: float | None) -> float | None:
    """before: of an earlier line about the same pair, which holds."""
    if given in (None, ""):
        return before
    try:
        margin = math.nan if isinstance(given, bool) else float(given)  # a table without types has texts
    except (TypeError, ValueError):
        margin = math.nan
    if not math.isfinite(margin):
        raise BadLine(_("A reward margin is a number."), "ls_factor")
    return margin if before is None else before


def ranks_of(count: int, edges: Set[tuple[int, int]]) -> list[int]:
    """The ranking whose pairs are exactly these (better, worse). Raises BadLine where there is none."""
    ranks = [1] * count
    for _round in range(count):
        for better, worse in edges:
            ranks[worse] = max(ranks[worse], ranks[better] + 1)
    made = {(one, other) for one in range(count) for other in range(count) if ranks[one] < ranks[other]}
    if made != edges:
        raise BadLine(_("These pairs are not those of one ranking."), "chosen")
    return ranks


SHAPES: dict[str, tuple[str, Callable[[Row, Mapping], Iterator[Row]]]] = {
    "assay": (N_("Lines of this platform"), _assay),
    "mm-rlhf": (N_("Published samples with scores and ranks (data.jsonl)"), _mm_rlhf),
    "pairs": (N_("Published pairs (dpo_pairs.jsonl)"), _pairs),
    "llava": (N_("Conversations (LLaVA)"), _llava),
    "label-studio": (N_("Label Studio export"), _label_studio),
    "argilla": (N_("Argilla export"), _argilla),
    "columns": (N_("A table with columns"), _columns),
}
