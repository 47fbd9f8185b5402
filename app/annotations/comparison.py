"""What a reviewer compares: an annotation beside others of its sample, and beside its own earlier revisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import NamedTuple

from app.annotations import disagreement, queries
from app.annotations.desk import Reply, words_of_ranking
from app.annotations.schemas import DraftContent
from app.annotations.tables import Annotation, Revision
from app.core.db import Session
from app.projects.rubric import Rubric

MOST_COMPARED = 500
"""How many annotations of the queue are put in order of disagreement at once."""


class Line(NamedTuple):
    """One line of the reviewer's queue."""

    annotation: Annotation
    others: int
    disagreement: float | None


class Mark(NamedTuple):
    who: str
    score: int


class Cell(NamedTuple):
    """One score with the other annotators' marks. heat: 0 (all agree) to 4 (as far apart as can be)."""

    score: int | None
    others: list[Mark]
    heat: int | None


class Opinion(NamedTuple):
    """What one annotator made of the same sample."""

    who: str
    annotation_id: int
    state: str
    ranking: str
    rank_reason: str
    tie: bool
    cannot_judge: str


@dataclass(frozen=True)
class Change:
    """One place that a revision changed; `parts` are (kept | added | removed, text)."""

    place: str
    parts: list[tuple[str, str]]


@dataclass(frozen=True)
class Step:
    revision: Revision
    changes: list[Change] = field(default_factory=list)


def queue_lines(session: Session, rows: list[Annotation], by_disagreement: bool) -> list[Line]:
    together = defaultdict(list)
    for each in queries.of_samples(session, sorted({row.sample_id for row in rows})):
        together[each.sample_id].append(_content(each))
    lines = [Line(row, len(together[row.sample_id]) - 1, disagreement.overall(together[row.sample_id])) for row in rows]
    return sorted(lines, key=lambda line: -(line.disagreement or 0)) if by_disagreement else lines


def of(annotation: Annotation, others: Sequence[Annotation]) -> float | None:
    return disagreement.overall([_content(each) for each in (annotation, *others)])


def cells(annotation: Annotation, others: Sequence[Annotation], rubric: Rubric) -> dict[str, dict[str, Cell]]:
    """Response id → criterion → cell."""
    own, theirs = _content(annotation), [(each.user.name, _content(each)) for each in others]
    contents = [own, *[content for _, content in theirs]]

    def cell(response: str, key: str) -> Cell:
        marks = [Mark(who, c.scores[response][key]) for who, c in theirs if key in c.scores.get(response, {})]
        spread = disagreement.of_scores(contents, response, key)
        return Cell(own.scores.get(response, {}).get(key), marks, None if spread is None else round(spread * 4))

    responses = [str(response.id) for response in annotation.sample.responses]
    return {response: {key: cell(response, key) for key in rubric.keys} for response in responses}


def opinions(annotation: Annotation, others: Sequence[Annotation], shown: list[Reply]) -> list[Opinion]:
    """This annotation first, then the others of the sample."""
    return [_opinion(each, shown) for each in (annotation, *others)]


def _opinion(annotation: Annotation, shown: list[Reply]) -> Opinion:
    content = _content(annotation)
    return Opinion(
        annotation.user.name,
        annotation.id,
        annotation.state,
        words_of_ranking(content.ranking, shown),
        content.rank_reason,
        content.tie,
        content.cannot_judge.kind.replace("_", " ") if content.cannot_judge else "",
    )


def _content(annotation: Annotation) -> DraftContent:
    return DraftContent.model_validate(annotation.latest.content)


def history(annotation: Annotation, shown: list[Reply], rubric: Rubric) -> list[Step]:
    """The revisions, newest first, each with what it changed against the one before."""
    texts = [_as_texts(DraftContent.model_validate(each.content), shown, rubric) for each in annotation.revisions]
    steps = [Step(annotation.revisions[0])]
    for revision, before, after in zip(annotation.revisions[1:], texts, texts[1:], strict=False):
        places = [place for place in {**before, **after} if before.get(place, "") != after.get(place, "")]
        steps.append(Step(revision, [Change(p, word_diff(before.get(p, ""), after.get(p, ""))) for p in places]))
    return steps[::-1]


def _as_texts(content: DraftContent, shown: list[Reply], rubric: Rubric) -> dict[str, str]:
    """Every place of an annotation, in words, with the text that stands there."""
    letters = {reply.id: reply.letter for reply in shown}
    texts = {
        f"{letters.get(response, '?')} · {criterion.name}": str(marks[criterion.key])
        for response, marks in content.scores.items()
        for criterion in rubric.criteria
        if criterion.key in marks
    }
    texts |= {f"{letters.get(response, '?')} · Reason": reason for response, reason in content.reasons.items()}
    texts |= {"Ranking": words_of_ranking(content.ranking, shown), "Tie": "yes" if content.tie else ""}
    texts |= {"Reason for the ranking": content.rank_reason, "Positive sample": content.positive or ""}
    texts |= {"Negative sample": content.negative.text if content.negative else ""}
    texts |= {"Cannot judge": content.cannot_judge.kind.replace("_", " ") if content.cannot_judge else ""}
    return dict(sorted(texts.items()))


def word_diff(before: str, after: str) -> list[tuple[str, str]]:
    """Word by word what was kept, removed and added."""
    old, new = before.split(), after.split()
    parts: list[tuple[str, str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(("kept", " ".join(old[a:b])))
        else:
            parts += [(name, " ".join(words)) for name, words in (("removed", old[a:b]), ("added", new[c:d])) if words]
    return parts
