"""What lies on the desk: a sample with its responses under letters, in the order drawn for one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.annotations import queries
from app.annotations.schemas import DraftContent
from app.annotations.tables import Annotation, Draft, Review
from app.core.db import Session
from app.core.language import told
from app.projects.guard import Seat
from app.projects.rubric import Criterion
from app.samples.media import shown
from app.samples.schemas import options
from app.samples.tables import Medium, Sample
from app.tasks.tables import Lease, Task

LETTERS = "ABCDEFGHIJKL"


@dataclass(frozen=True)
class Reply:
    """A response as an annotator sees it: a letter instead of a model's name."""

    letter: str
    id: str
    text: str


@dataclass(frozen=True)
class Desk:
    task: Task
    replies: list[Reply]
    content: dict[str, Any]
    version: int
    active_seconds: float
    returned: Review | None = None
    """The verdict that sent the annotation back, with its comment."""
    annotation_id: int | None = None
    revision: int | None = None
    """For second thoughts on what is submitted already: the number of the revision that they build on."""

    @property
    def sample(self) -> Sample:
        return self.task.sample

    @property
    def is_video(self) -> bool:
        return any(medium.kind == "frame" for medium in self.sample.media)


def lay_out(session: Session, seat: Seat, task: Task, lease: Lease) -> Desk:
    """The task as its annotator left it: their draft, or what was returned to them, or nothing yet."""
    own = queries.draft(session, seat.user, task.id)
    draft = own or queries.draft_of_sample(session, seat.user, task.sample_id)
    annotation = queries.own_of_sample(session, seat.user, task.sample_id)
    return Desk(
        task=task,
        replies=replies(task.sample, lease.order),
        content=_content(draft, annotation),
        version=own.version if own else 0,
        active_seconds=draft.active_seconds if draft else annotation.active_seconds if annotation else 0.0,
        returned=_returned(annotation),
    )


def _returned(annotation: Annotation | None) -> Review | None:
    review = annotation.latest.review if annotation else None
    return review if review and review.verdict == "return" else None


def lay_out_again(session: Session, seat: Seat, annotation: Annotation) -> Desk:
    """A submitted annotation that nobody has judged, to change it."""
    draft = queries.draft(session, seat.user, annotation.task_id)
    return Desk(
        task=annotation.task,
        replies=replies(annotation.sample, annotation.order),
        content=_content(draft, annotation),
        version=draft.version if draft else 0,
        active_seconds=max(annotation.active_seconds, draft.active_seconds if draft else 0.0),
        annotation_id=annotation.id,
        revision=annotation.latest.number,
    )


def _content(draft: Draft | None, annotation: Annotation | None) -> dict[str, Any]:
    kept = draft.content if draft else annotation.latest.content if annotation else {}
    return DraftContent.model_validate(kept).model_dump()


def replies(sample: Sample, order: list[Any]) -> list[Reply]:
    texts = {response.id: response.text for response in sample.responses}
    return [Reply(letter, str(number), texts[number]) for letter, number in zip(LETTERS, order, strict=False)]


def for_script(seat: Seat, desk: Desk, guidance: int) -> dict[str, Any]:
    """What the annotate page's script starts from; guidance: the version of the guidelines that it shows."""
    at, task = seat.project.slug, desk.task.id
    api = f"/api/v1/projects/{at}"
    urls = {
        "draft": f"{api}/tasks/{task}/draft",
        "annotation": f"{api}/tasks/{task}/annotation",
        "next": f"/projects/{at}/annotate",
        "reservations": f"{api}/reservations",
        "keys": "/api/v1/keys",
        "reading": f"/projects/{at}/guidelines/{guidance}/readings",
    }
    if desk.revision:
        urls["annotation"] = f"{api}/annotations/{desk.annotation_id}/revisions"
        urls["next"] = f"/projects/{at}/annotations/mine"
    return {
        **for_correction(seat, desk.content, desk.replies, desk.sample),
        "slug": at,
        "task": task,
        "user": seat.user.id,
        "version": desk.version,
        "active_seconds": desk.active_seconds,
        "revision": desk.revision,
        "keys": seat.user.keys,
        "urls": urls,
    }


def _criterion(criterion: Criterion) -> dict[str, Any]:
    """A criterion as scripts know it: the usual words in the reader's language, a project's own as they are."""
    words = {"levels": criterion.levels, "anchors": criterion.anchors}
    return {
        "key": criterion.key,
        "name": told(criterion.name),
        **{name: [told(word) for word in each] for name, each in words.items()},
    }


def for_correction(seat: Seat, content: dict[str, Any], shown: list[Reply], sample: Sample) -> dict[str, Any]:
    """What any page's script needs to edit an annotation."""
    criteria = [_criterion(criterion) for criterion in seat.rubric.criteria]
    return {
        "content": content,
        "replies": [vars(reply) for reply in shown],
        "criteria": criteria,
        "options": options(sample.prompt) if sample.question_type == "mcq" else [],
    }


def words_of_ranking(ranking: list[list[str]], shown: list[Reply]) -> str:
    """[["31"], ["33", "32"]] → "A > B = C", in the letters that are shown."""
    letters = {reply.id: reply.letter for reply in shown}
    return " > ".join(" = ".join(sorted(letters.get(response, "?") for response in group)) for group in ranking)


def other_letters(order: list[Any], shown: list[Reply]) -> str:
    """How somebody who saw the responses in another order wrote of those that are shown: "A→C, C→A"."""
    letters = {reply.id: reply.letter for reply in shown}
    pairs = [(own, letters.get(str(response), "?")) for own, response in zip(LETTERS, order, strict=False)]
    return ", ".join(f"{own}→{here}" for own, here in pairs if own != here)


def viewer_items(seat: Seat, media: list[Medium]) -> list[dict[str, Any]]:
    """What the media viewer needs to know of the pictures, the video or its frames."""
    return [shown(seat.project.slug, medium) for medium in media]
