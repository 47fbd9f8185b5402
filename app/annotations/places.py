"""Places of an annotation that a reviewer can remark on, as the content names them, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from app.annotations.desk import Reply
from app.annotations.refusals import BadReview
from app.core.language import N_, told
from app.core.language import gettext as _
from app.projects.rubric import Rubric

LONGEST_REMARK = 2000
WHOLE = {
    "ranking": N_("The ranking"),
    "rank_reason": N_("The reason for the ranking"),
    "tie": N_("The tie"),
    "positive": N_("The positive sample"),
    "negative.text": N_("The negative sample"),
    "cannot_judge": N_("“Cannot judge”"),
}


class Remark(NamedTuple):
    """A reviewer's comment at one place, such as reasons.31, scores.31.ethics, criteria.ethics or ranking."""

    place: str
    words: str
    comment: str


def words_of(place: str, shown: Sequence[Reply], rubric: Rubric) -> str | None:
    """The place in the letters that its reader sees; None where there is no such place."""
    letters = {reply.id: reply.letter for reply in shown}
    names = {criterion.key: str(told(criterion.name)) for criterion in rubric.criteria}
    match place.split("."):
        case ["reasons", response] if response in letters:
            return _("The reason for %(letters)s", letters=letters[response])
        case ["scores", response, key] if response in letters and key in names:
            return _("%(criterion)s of %(letter)s", criterion=names[key], letter=letters[response])
        case ["criteria", key] if key in names:
            return names[key]
    return str(told(WHOLE[place])) if place in WHOLE else None


def remarks_of(remarks: Iterable[dict[str, Any]], shown: Sequence[Reply], rubric: Rubric) -> list[Remark]:
    """What stands in a review, in words; a place that the rubric has lost keeps its comment."""
    return [
        Remark(each["place"], words_of(each["place"], shown, rubric) or each["place"], each["comment"])
        for each in remarks
    ]


def checked_remarks(remarks: Iterable[tuple[str, str]], shown: Sequence[Reply], rubric: Rubric) -> list[dict[str, str]]:
    """Those that say something, each at a place of this annotation. Raises BadReview."""
    found = []
    for place, comment in remarks:
        if not (comment := comment.strip()):
            continue
        if words_of(place, shown, rubric) is None:
            raise BadReview(_("“%(place)s” is no place of this annotation.", place=place[:60]), "remarks")
        if len(comment) > LONGEST_REMARK or "\0" in comment:
            raise BadReview(
                _(
                    "A remark has at most %(longest_remark)s characters, and no NUL.",
                    longest_remark=f"{LONGEST_REMARK:,}",
                ),
                place,
            )
        found.append({"place": place, "comment": comment})
    return found
