"""The nine categories: whatever is missing, foreign or contradictory is named with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.annotations.schemas import BadAnnotation, Content, check, read_content, read_draft
from app.projects.rubric import DEFAULT
from app.samples.tables import Response, Sample
from tests.app.annotations import desk

SAMPLE = Sample(
    id=1, responses=[Response(id=number, position=number, model="m", text=f"Text {number}") for number in range(31, 35)]
)
ALL_EQUAL = [["31", "32", "33", "34"]]
Content_ = dict[str, Any]


def full(**changes: Any) -> Content_:
    return desk.content(SAMPLE, **changes)


def faults(data: object) -> list[str]:
    with pytest.raises(BadAnnotation) as refusal:
        read_content(data, SAMPLE, DEFAULT)
    return [fault.where for fault in refusal.value.faults]


def test_a_complete_annotation_has_no_fault() -> None:
    assert read_content(full(), SAMPLE, DEFAULT).ranks == {"31": 1, "32": 2, "33": 3, "34": 4}


def test_a_weak_order_is_read_best_first() -> None:
    content = read_content(full(ranking=[["31"], ["33", "32"], ["34"]]), SAMPLE, DEFAULT)
    assert content.ranks == {"31": 1, "33": 2, "32": 2, "34": 3}


def test_an_empty_annotation_names_everything_that_is_missing() -> None:
    found = faults({})
    assert [where for where in found if where.startswith("scores")] == [
        f"scores.{response}.{key}" for response in range(31, 35) for key in DEFAULT.keys
    ]
    assert found[12:] == ["reasons.31", "reasons.32", "reasons.33", "reasons.34", "rank_reason", "ranking"]


def changed(change: Callable[[Content_], None]) -> Content_:
    content = full()
    change(content)
    return content


BAD: dict[str, tuple[Content_, str]] = {
    "a score for a foreign response": (changed(lambda c: c["scores"].update({"99": {"ethics": 3}})), "scores"),
    "a score of six": (changed(lambda c: c["scores"]["31"].update(ethics=6)), "scores.31.ethics"),
    "a score of nought": (changed(lambda c: c["scores"]["31"].update(ethics=0)), "scores.31.ethics"),
    "a score of true": (changed(lambda c: c["scores"]["31"].update(ethics=True)), "scores.31.ethics"),
    "half a score": (changed(lambda c: c["scores"]["31"].update(ethics=3.5)), "scores.31.ethics"),
    "an unknown criterion": (changed(lambda c: c["scores"]["31"].update(beauty=3)), "scores.31"),
    "a foreign reason": (changed(lambda c: c["reasons"].update({"99": "?"})), "reasons"),
    "a blank reason": (changed(lambda c: c["reasons"].update({"31": " \n"})), "reasons.31"),
    "a reason of a million characters": (changed(lambda c: c["reasons"].update({"31": "x" * 1_000_000})), "reasons.31"),
    "a NUL": (full(rank_reason="a\0b"), "rank_reason"),
    "half a character": (full(rank_reason="\ud800"), "rank_reason"),
    "a rank for a foreign response": (full(ranking=[["31"], ["32"], ["33"], ["99"]]), "ranking"),
    "a response ranked twice": (full(ranking=[["31"], ["31", "32"], ["33"], ["34"]]), "ranking"),
    "a response not ranked": (full(ranking=[["31"], ["32"], ["33"]]), "ranking"),
    "an empty place in the ranking": (full(ranking=[["31"], [], ["32"], ["33"], ["34"]]), "ranking"),
    "a tie with an order": (full(tie=True), "tie"),
    "all equal without a tie": (full(ranking=ALL_EQUAL), "tie"),
    "a tie without a sample": (full(ranking=ALL_EQUAL, tie=True), "positive"),
    "a tie with both samples": (
        full(ranking=ALL_EQUAL, tie=True, positive="Right", negative={"base": "31", "text": "Wrong"}),
        "positive",
    ),
    "a blank positive sample": (full(ranking=ALL_EQUAL, tie=True, positive=" "), "positive"),
    "an unaltered negative sample": (
        full(ranking=ALL_EQUAL, tie=True, negative={"base": "31", "text": "Text 31 "}),
        "negative.text",
    ),
    "a negative sample of a foreign response": (
        full(ranking=ALL_EQUAL, tie=True, negative={"base": "9", "text": "x"}),
        "negative.base",
    ),
    "a positive sample without a tie": (full(positive="Right"), "positive"),
    "an unknown field": (full(colour="red"), "colour"),
    "an unknown ground for not judging": (full(cannot_judge={"kind": "bored", "note": ""}), "cannot_judge.kind"),
    "no object": ([1], "content"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", BAD)
def test_each_fault_is_named_with_its_place(name: str) -> None:
    data, where = BAD[name]
    assert where in faults(data)


@pytest.mark.parametrize(
    "made", [{"positive": "The right answer"}, {"negative": {"base": "32", "text": "Text, but wrong"}}]
)
def test_a_tie_is_broken_by_a_positive_or_a_negative_sample(made: Content_) -> None:
    assert read_content(full(ranking=ALL_EQUAL, tie=True, **made), SAMPLE, DEFAULT).tie


def test_what_cannot_be_judged_needs_nothing_else_but_stays_well_formed() -> None:
    assert read_content({"cannot_judge": {"kind": "media_missing", "note": ""}}, SAMPLE, DEFAULT).cannot_judge
    assert faults({"cannot_judge": {"kind": "harmful", "note": ""}, "scores": {"99": {"ethics": 3}}}) == ["scores"]


def test_a_draft_may_be_incomplete_but_holds_nothing_foreign() -> None:
    assert read_draft({"scores": {"31": {"ethics": 2}}, "ranking": [["31"]]}, SAMPLE, DEFAULT).ranks == {"31": 1}
    with pytest.raises(BadAnnotation):
        read_draft({"ranking": [["99"]]}, SAMPLE, DEFAULT)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*Content.model_fields, "31", "ethics", "text"]), inner)
        ),
        max_leaves=12,
    )
)
def test_no_content_whatever_breaks_the_check(data: object) -> None:
    try:
        content = Content.model_validate(data)
    except ValueError:
        return
    assert isinstance(check(content, SAMPLE, DEFAULT), list)
