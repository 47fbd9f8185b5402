"""The nine categories of an annotation, and everything that can be wrong with them, each named with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from app.core.errors import Invalid
from app.core.faults import sentence
from app.core.language import gettext as _
from app.projects.rubric import Rubric
from app.samples.tables import Sample

LONGEST_TEXT = 10_000
MOST_ENTRIES = 64
"""Far more than any sample has responses: what keeps a hostile draft small."""


class Negative(BaseModel):
    """A response altered to hold a deliberate error; `base` is the response it was made from."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field(max_length=32)
    text: str


class Span(BaseModel):
    """Words of a response that are wrong or good, with a note.

    start, end: characters of the response's text as it is shown (Markdown rendered, formulas passed over).
    """

    model_config = ConfigDict(extra="forbid")
    response: str = Field(max_length=32)
    start: StrictInt = Field(ge=0, le=1_000_000)
    end: StrictInt = Field(ge=1, le=1_000_000)
    quote: str = Field(min_length=1, max_length=2000)
    kind: Literal["wrong", "good"]
    note: str = Field(default="", max_length=2000)


class CannotJudge(BaseModel):
    """An answer of its own, that makes no pairs."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["media_missing", "question_broken", "harmful"]
    note: str = ""


class DraftContent(BaseModel):
    """The nine categories as far as they are filled in. Response ids are strings; a score is 1 to 5."""

    model_config = ConfigDict(extra="forbid")
    scores: dict[str, dict[str, StrictInt]] = {}
    reasons: dict[str, str] = {}
    ranking: list[list[str]] = []
    """A weak order, best first: [["31"], ["33", "32"], ["34"]] is 31 > 33 = 32 > 34."""
    tie: StrictBool = False
    rank_reason: str = ""
    positive: str | None = None
    negative: Negative | None = None
    cannot_judge: CannotJudge | None = None
    spans: list[Span] = Field(default=[], max_length=MOST_ENTRIES)
    """Evidence for the reasons, of no category of its own: nobody has to mark anything."""

    @property
    def ranks(self) -> dict[str, int]:
        """Response id → rank, 1 for the best; equal ranks are ties."""
        return {response: rank for rank, group in enumerate(self.ranking, 1) for response in group}


class Content(DraftContent):
    """The nine categories, complete: `check` finds no fault in it."""


Shape = TypeVar("Shape", bound=DraftContent)


class Fault(NamedTuple):
    """`where` is a dotted place such as scores.31.helpfulness."""

    where: str
    what: str


class BadAnnotation(Invalid):
    """An annotation that is incomplete or contradicts itself; `faults` names every place."""

    def __init__(self, faults: list[Fault]) -> None:
        more = _(" (and %(faults)s more)", faults=len(faults) - 1) if len(faults) > 1 else ""
        super().__init__(faults[0].what + more, faults[0].where)
        self.faults = faults

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "faults": [fault._asdict() for fault in self.faults]}


def read_content(data: object, sample: Sample, rubric: Rubric) -> Content:
    """Complete, checked content. Raises BadAnnotation."""
    content = _shaped(Content, data)
    if faults := check(content, sample, rubric):
        raise BadAnnotation(faults)
    return content


def read_draft(data: object, sample: Sample, rubric: Rubric) -> DraftContent:
    """Content that may be incomplete, but holds nothing foreign or oversized. Raises BadAnnotation."""
    draft = _shaped(DraftContent, data)
    if faults := check_draft(draft, sample, rubric):
        raise BadAnnotation(faults)
    return draft


def _shaped(shape: type[Shape], data: object) -> Shape:
    try:
        return shape.model_validate(data)
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_input=False)[:20]
        where = [".".join(map(str, each["loc"])) or "content" for each in errors]
        raise BadAnnotation([Fault(*each) for each in zip(where, map(sentence, errors), strict=True)]) from None


def check(content: DraftContent, sample: Sample, rubric: Rubric) -> list[Fault]:
    """Every fault of a finished annotation. `cannot_judge` excuses from completeness, not from being well-formed."""
    faults = check_draft(content, sample, rubric)
    if content.cannot_judge is None:
        ids = [str(response.id) for response in sample.responses]
        faults += [*_missing(content, ids, rubric), *_ranking(content, ids), *_tie(content, sample)]
    return faults


def check_draft(draft: DraftContent, sample: Sample, rubric: Rubric) -> list[Fault]:
    """What is wrong even in a draft: foreign responses, unknown criteria, scores out of range, texts too long."""
    ids = {str(response.id) for response in sample.responses}
    return [*_foreign(draft, ids), *_scores(draft, rubric), *_texts(draft)]


def _foreign(draft: DraftContent, ids: set[str]) -> Iterator[Fault]:
    named = [("scores", list(draft.scores)), ("reasons", list(draft.reasons))]
    named += [("ranking", [response for group in draft.ranking for response in group])]
    named += [("spans", [span.response for span in draft.spans])]
    named += [("negative.base", [draft.negative.base] if draft.negative else [])]
    for place, responses in named:
        if len(responses) > MOST_ENTRIES or len(draft.ranking) > MOST_ENTRIES:
            yield Fault(place, _("There are far more entries than the sample has responses."))
            return
        for response in responses:
            if response not in ids:
                yield Fault(place, _("“%(response)s” is not a response of this sample.", response=response[:40]))


def _scores(draft: DraftContent, rubric: Rubric) -> Iterator[Fault]:
    for response, marks in draft.scores.items():
        for key, score in list(marks.items())[:MOST_ENTRIES]:
            if key not in rubric.keys:
                yield Fault(f"scores.{response[:40]}", _("“%(key)s” is not a criterion of this project.", key=key[:40]))
            elif not 1 <= score <= 5:
                yield Fault(f"scores.{response[:40]}.{key}", _("A score is 1 to 5, not %(score)s.", score=score))


def _texts(draft: DraftContent) -> Iterator[Fault]:
    texts = [(f"reasons.{response[:40]}", text) for response, text in draft.reasons.items()]
    texts += [("rank_reason", draft.rank_reason), ("positive", draft.positive or "")]
    texts += [("negative.text", draft.negative.text if draft.negative else "")]
    texts += [("cannot_judge.note", draft.cannot_judge.note if draft.cannot_judge else "")]
    texts += [(f"spans.{number}", span.quote + span.note) for number, span in enumerate(draft.spans)]
    for place, text in texts:
        if len(text) > LONGEST_TEXT:
            yield Fault(
                place,
                _(
                    "A text has at most %(longest_text)s characters; this one has %(text)s.",
                    longest_text=f"{LONGEST_TEXT:,}",
                    text=f"{len(text):,}",
                ),
            )
        if "\0" in text:
            yield Fault(place, _("The text holds a NUL character."))
        if not _is_unicode(text):
            yield Fault(place, _("The text holds half of a character (a lone surrogate)."))


def _is_unicode(text: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def _missing(content: DraftContent, ids: list[str], rubric: Rubric) -> Iterator[Fault]:
    for response in ids:
        marks = content.scores.get(response, {})
        for criterion in rubric.criteria:
            if criterion.key not in marks:
                yield Fault(
                    f"scores.{response}.{criterion.key}",
                    _("A score for %(lower)s is missing.", lower=criterion.name.lower()),
                )
    for response in ids:
        if not content.reasons.get(response, "").strip():
            yield Fault(f"reasons.{response}", _("The reason for the scores is missing."))
    if not content.rank_reason.strip():
        yield Fault("rank_reason", _("The reason for the ranking is missing."))


def _ranking(content: DraftContent, ids: list[str]) -> Iterator[Fault]:
    ranked = [response for group in content.ranking for response in group]
    if not ranked:
        yield Fault("ranking", _("The ranking is missing."))
    elif sorted(ranked) != sorted(ids) or not all(content.ranking):
        yield Fault("ranking", _("The ranking must hold each response exactly once."))


def _tie(content: DraftContent, sample: Sample) -> Iterator[Fault]:
    all_equal = len(content.ranking) == 1
    if content.tie and not all_equal:
        yield Fault("tie", _("A tie of all responses needs a ranking in which all are equal."))
    if all_equal and not content.tie:
        yield Fault("tie", _("All responses are ranked equal: say that it is a tie, or rank them."))
    if not content.tie and (content.positive is not None or content.negative is not None):
        yield Fault(
            "positive" if content.positive is not None else "negative",
            _("This is written only where all responses tie."),
        )
    if content.tie:
        yield from _constructed(content, sample)


def _constructed(content: DraftContent, sample: Sample) -> Iterator[Fault]:
    """A tie asks for one of two: a correct response where all are poor, a spoilt one where all are good."""
    if (content.positive is None) == (content.negative is None):
        yield Fault("positive", _("A tie needs either a positive or a negative sample, and not both."))
    if content.positive is not None and not content.positive.strip():
        yield Fault("positive", _("The positive sample is empty."))
    if content.negative is not None:
        base = next((r.text for r in sample.responses if str(r.id) == content.negative.base), "")
        if not content.negative.text.strip():
            yield Fault("negative.text", _("The negative sample is empty."))
        elif content.negative.text.strip() == base.strip():
            yield Fault(
                "negative.text",
                _("The negative sample still equals the response that it is made from: put an error into it."),
            )
