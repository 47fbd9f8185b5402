"""What a reviewer compares: an annotation beside others of its sample, and beside its own earlier revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.annotations import disagreement
from app.annotations.desk import Reply, other_letters, words_of_ranking
from app.annotations.places import Remark, remarks_of
from app.annotations.schemas import DraftContent
from app.annotations.tables import COUNTS_NO_MORE, STATES, Annotation, Revision
from app.core.differences import word_diff
from app.core.language import gettext as _
from app.projects.rubric import Rubric


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
    letters: str
    """Which letters they wrote for those that are shown here, where they differ."""


@dataclass(frozen=True)
class Change:
    """One place that a revision changed; `parts` are (kept | added | removed, text)."""

    place: str
    parts: list[tuple[str, str]]


@dataclass(frozen=True)
class Step:
    """A revision with what it changed, and with what its review remarked at places."""

    revision: Revision
    changes: list[Change] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def counting(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Those that are compared: neither rejected nor set aside."""
    gone = {STATES[verdict] for verdict in COUNTS_NO_MORE}
    return [each for each in annotations if each.state not in gone]


def of(annotation: Annotation, others: Sequence[Annotation]) -> float | None:
    return disagreement.overall([_content(each) for each in (annotation, *counting(others))])


def heat_of_rows(annotation: Annotation, others: Sequence[Annotation], rubric: Rubric) -> dict[str, int]:
    """How far apart people are, 0 (all agree) to 4, for each criterion over all responses, and for "ranking"."""
    contents = [_content(each) for each in (annotation, *counting(others))]
    responses = [str(response.id) for response in annotation.sample.responses]
    found = {}
    for key in rubric.keys:
        spreads = [s for each in responses if (s := disagreement.of_scores(contents, each, key)) is not None]
        if spreads:
            found[key] = disagreement.level(sum(spreads) / len(spreads))
    ranks = disagreement.of_ranks(contents)
    return found if ranks is None else {**found, "ranking": disagreement.level(ranks)}


def cells(annotation: Annotation, others: Sequence[Annotation], rubric: Rubric) -> dict[str, dict[str, Cell]]:
    """Response id → criterion → cell."""
    own, theirs = _content(annotation), [(each.user.name, _content(each)) for each in counting(others)]
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
        other_letters(annotation.order, shown),
    )


def _content(annotation: Annotation) -> DraftContent:
    return DraftContent.model_validate(annotation.latest.content)


def history(annotation: Annotation, shown: list[Reply], rubric: Rubric) -> list[Step]:
    """The revisions, newest first, each with what it changed against the one before."""
    texts = [_as_texts(DraftContent.model_validate(each.content), shown, rubric) for each in annotation.revisions]
    steps = []
    for revision, before, after in zip(annotation.revisions, [texts[0], *texts], texts, strict=False):
        places = [place for place in {**before, **after} if before.get(place, "") != after.get(place, "")]
        changes = [Change(p, word_diff(before.get(p, ""), after.get(p, ""))) for p in places]
        remarks = remarks_of(revision.review.remarks if revision.review else [], shown, rubric)
        steps.append(Step(revision, changes, remarks))
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
    texts |= {
        f"{letters.get(response, '?')} · Marked": "; ".join(
            f"{span.kind}: “{span.quote}” {span.note}".strip() for span in content.spans if span.response == response
        )
        for response in {span.response for span in content.spans}
    }
    texts |= {_("Ranking"): words_of_ranking(content.ranking, shown), _("Tie"): "yes" if content.tie else ""}
    texts |= {_("Reason for the ranking"): content.rank_reason, _("Positive sample"): content.positive or ""}
    texts |= {_("Negative sample"): content.negative.text if content.negative else ""}
    texts |= {_("Cannot judge"): content.cannot_judge.kind.replace("_", " ") if content.cannot_judge else ""}
    return dict(sorted(texts.items()))
