"""The demonstration's annotating and reviewing, done with the same verbs that people use, as those people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.annotations import actions as verbs
from app.annotations import adjudicating, queries
from app.annotations.desk import LETTERS
from app.annotations.tables import Annotation
from app.core.db import Session
from app.demo.content import (
    ANA_HAS_JUDGED,
    DemoJudgement,
    DemoSample,
    DemoVerdict,
    decisions,
    mention,
    samples,
    verdicts,
)
from app.projects.guard import Seat
from app.samples.tables import Sample
from app.tasks import actions as tasks
from app.tasks.tables import Lease

SECONDS_TO_LOOK = 25.0
WORDS_A_SECOND = 3.0
"""An estimate of how long reading and judging take: nobody sat at a screen."""


def annotate_as_ana(session: Session, seat: Seat) -> int:
    """Ana takes one task after the other and submits; returns how many."""
    written = {sample.key: sample for sample in samples()}
    for _ in range(ANA_HAS_JUDGED):
        lease = _next(session, seat)
        sample = written[lease.task.sample.external_id]
        _judge(session, seat, lease, sample, sample.truth)
    return ANA_HAS_JUDGED


def annotate_as_ben(session: Session, seat: Seat) -> int:
    """Ben does the same, skips what he cannot judge, and stops where his work ends; returns how many he submitted."""
    written = {sample.key: sample for sample in samples()}
    done = 0
    while True:
        lease = _next(session, seat)
        sample = written[lease.task.sample.external_id]
        if sample.skip:
            tasks.skip(session, seat, lease.task_id, sample.skip)
        elif sample.second:
            _judge(session, seat, lease, sample, sample.second)
            done += 1
        else:
            tasks.release(session, seat, lease.task_id)
            return done


def _next(session: Session, seat: Seat) -> Lease:
    lease = tasks.lease_next(session, seat)
    assert lease is not None, "the queue ends before the content does"
    return lease


def _judge(session: Session, seat: Seat, lease: Lease, sample: DemoSample, judgement: DemoJudgement) -> None:
    content = content_of(judgement, lease.task.sample, lease.order)
    verbs.save_draft(session, seat, lease.task_id, {"scores": content["scores"]})
    key = f"demo-{sample.key}"
    verbs.submit(session, seat, lease.task_id, content, key, active_seconds=_seconds(sample, judgement))


def _seconds(sample: DemoSample, judgement: DemoJudgement) -> float:
    texts = [sample.prompt, *(reply.text for reply in sample.responses), *judgement.reasons.values()]
    return SECONDS_TO_LOOK + sum(len(text.split()) for text in texts) / WORDS_A_SECOND


def content_of(judgement: DemoJudgement, sample: Sample, order: list[Any]) -> dict[str, Any]:
    """The judgement as a submission: response ids for models, and the letters of this person's order in the texts."""
    ids = _ids(sample)
    negative = judgement.negative
    return {
        "scores": {ids[model]: dict(marks) for model, marks in judgement.scores.items()},
        "reasons": {ids[model]: reason for model, reason in judgement.reasons.items()},
        "ranking": [[ids[model] for model in group] for group in judgement.ranking],
        "tie": judgement.tie,
        "rank_reason": mention(judgement.rank_reason, _letters(sample, order)),
        "positive": judgement.positive,
        "negative": {"base": ids[negative.base], "text": negative.text} if negative else None,
    }


def _ids(sample: Sample) -> dict[str, str]:
    return {response.model: str(response.id) for response in sample.responses}


def _letters(sample: Sample, order: list[Any]) -> dict[str, str]:
    models = {response.id: response.model for response in sample.responses}
    return {models[number]: letter for letter, number in zip(LETTERS, order, strict=False)}


def review_as_rosa(session: Session, seat: Seat, annotators: Mapping[str, Seat], ids: Mapping[str, int]) -> int:
    """Rosa gives her verdicts; `ids` leads from a sample's key to its row. Returns how many."""
    for verdict in verdicts():
        annotation = queries.own_of_sample(session, annotators[verdict.annotator].user, ids[verdict.sample])
        assert annotation is not None, f"{verdict.annotator} has not judged {verdict.sample}"
        _review(session, seat, annotation, verdict)
    return len(verdicts())


def decide_as_rosa(session: Session, seat: Seat, annotators: Mapping[str, Seat], ids: Mapping[str, int]) -> int:
    """Rosa decides over samples on which Ana and Ben differ; returns how many."""
    for decision in decisions():
        chosen = queries.own_of_sample(session, annotators[decision.like].user, ids[decision.sample])
        assert chosen is not None, f"{decision.like} has not judged {decision.sample}"
        sample = chosen.sample
        reason = mention(decision.reason, _letters(sample, [response.id for response in sample.responses]))
        adjudicating.adjudicate(session, seat, sample.id, chosen.latest.content, reason)
    return len(decisions())


def _review(session: Session, seat: Seat, annotation: Annotation, verdict: DemoVerdict) -> None:
    letters = _letters(annotation.sample, annotation.order)
    comment = mention(verdict.comment, letters)
    if verdict.verdict == "correct":
        corrected = _changed(annotation.latest.content, verdict.changes, _ids(annotation.sample))
        verbs.correct(session, seat, annotation.id, corrected, comment)
    else:
        give = {"accept": verbs.accept, "return": verbs.return_, "reject": verbs.reject}
        remarks = [
            (_place(place, annotation.sample), mention(text, letters)) for place, text in verdict.remarks.items()
        ]
        give[verdict.verdict](session, seat, annotation.id, comment, remarks=remarks)


def _place(place: str, sample: Sample) -> str:
    ids = _ids(sample)
    return ".".join(ids.get(part, part) for part in place.split("."))


def _changed(content: dict[str, Any], changes: dict[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The content with the changes laid over it, entry by entry; models in the changes become response ids."""
    changed = dict(content)
    for key, value in changes.items():
        name = ids.get(key, key)
        changed[name] = _changed(changed[name], value, ids) if isinstance(value, dict) else value
    return changed
