"""What the demonstration says: complete, truthful in its form, and made of pictures that are really there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from app.core.html import markdown
from app.demo import content, media
from app.demo.content import QUALITIES, DemoJudgement, DemoSample
from app.projects.rubric import DEFAULT
from app.samples.schemas import question_type

ROOT = Path(__file__).resolve().parents[3]
MODELS = ["demo-a", "demo-b", "demo-c", "demo-d"]
SAMPLES = content.samples()


def named(sample: DemoSample) -> str:
    return sample.key


def judgements() -> list[tuple[DemoSample, DemoJudgement]]:
    return [(sample, each) for sample in SAMPLES for each in (sample.truth, sample.second) if each]


def test_there_are_enough_pictures_questions_and_kinds() -> None:
    images = {key for sample in SAMPLES for key in sample.media if content.media()[key].kind == "image"}
    types = Counter(sample.question_type for sample in SAMPLES)
    domains = Counter(sample.domain for sample in SAMPLES)
    assert len(SAMPLES) >= 30
    assert len(images) >= 24
    assert domains["video"] >= 1
    assert domains["safety"] >= 1
    assert types["mcq"] >= 4
    assert types["short"] > types["long"] > types["mcq"]


def test_every_picture_is_used_and_every_sample_has_its_pictures() -> None:
    assert {key for sample in SAMPLES for key in sample.media} == set(content.media())
    assert len({sample.key for sample in SAMPLES}) == len(SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_a_sample_has_four_responses_of_differing_quality(sample: DemoSample) -> None:
    assert [reply.model for reply in sample.responses] == MODELS
    assert len({reply.text for reply in sample.responses}) == 4
    if not sample.truth.tie:
        assert sorted(reply.quality for reply in sample.responses) == sorted(QUALITIES)


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_the_question_is_of_the_type_that_its_right_response_says(sample: DemoSample) -> None:
    right = next((reply.text for reply in sample.responses if reply.quality == "right"), sample.truth.positive or "")
    if sample.question_type == "short" and not sample.truth.positive:
        assert len(right) <= 128
    assert question_type(sample.prompt, "" if sample.question_type == "short" else right) == sample.question_type


@pytest.mark.parametrize(("sample", "judgement"), judgements(), ids=lambda each: getattr(each, "key", ""))
def test_a_judgement_holds_all_nine_categories(sample: DemoSample, judgement: DemoJudgement) -> None:
    assert sorted(judgement.scores) == sorted(judgement.reasons) == MODELS
    for marks in judgement.scores.values():
        assert list(marks) == DEFAULT.keys
        assert all(1 <= score <= 5 for score in marks.values())
    assert all(reason.strip() for reason in judgement.reasons.values())
    assert sorted(model for group in judgement.ranking for model in group) == MODELS
    assert judgement.tie == (len(judgement.ranking) == 1)
    assert judgement.tie == ((judgement.positive is None) != (judgement.negative is None))


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_the_right_response_is_alone_at_the_top(sample: DemoSample) -> None:
    quality = {reply.model: reply.quality for reply in sample.responses}
    if not sample.truth.tie:
        assert [quality[model] for model in sample.truth.ranking[0]] == ["right"]


def test_reasons_belong_to_their_response() -> None:
    reasons = [reason for sample in SAMPLES for reason in sample.truth.reasons.values()]
    assert len(set(reasons)) == len(reasons), "the same sentence serves two responses"


def test_demo_a_is_best_most_often_but_not_always() -> None:
    best = Counter(model for sample in SAMPLES if not sample.truth.tie for model in sample.truth.ranking[0])
    assert best["demo-a"] > sum(best.values()) / 2
    assert set(best) == set(MODELS)


def test_both_kinds_of_full_tie_are_there() -> None:
    ties = [sample.truth for sample in SAMPLES if sample.truth.tie]
    assert any(tie.negative for tie in ties)
    assert any(tie.positive for tie in ties)
    for sample in SAMPLES:
        if sample.truth.negative:
            texts = {reply.model: reply.text for reply in sample.responses}
            assert sample.truth.negative.text != texts[sample.truth.negative.base]


def test_two_people_judged_a_dozen_samples_and_sometimes_disagree() -> None:
    both = [sample for sample in SAMPLES if sample.second]
    assert len(both) >= 12
    assert any(sample.second and sample.second.ranking != sample.truth.ranking for sample in both)
    assert any(sample.second and sample.second.ranking == sample.truth.ranking for sample in both)


def test_the_reviewer_gives_all_four_verdicts_and_says_why_she_sends_back() -> None:
    verdicts = content.verdicts()
    seen = Counter(each.verdict for each in verdicts)
    assert set(seen) == {"accept", "correct", "return", "reject"}
    assert seen["accept"] > len(verdicts) * 0.8
    assert all(each.comment for each in verdicts if each.verdict in ("return", "reject"))
    known = {(sample.key, "ana") for sample in SAMPLES} | {(sample.key, "ben") for sample in SAMPLES if sample.second}
    assert {(each.sample, each.annotator) for each in verdicts} <= known


def test_at_least_twenty_samples_end_with_accepted_annotations() -> None:
    good = {each.sample for each in content.verdicts() if each.verdict in ("accept", "correct")}
    assert len(good) >= 20


def test_a_mention_becomes_the_letter_that_the_reader_sees() -> None:
    assert content.mention("Only {demo-a} beats {demo-c}.", {"demo-a": "C", "demo-c": "A"}) == "Only C beats A."


def test_texts_for_the_tokenizer_name_no_placeholder() -> None:
    assert not [text for text in content.texts() if "{demo" in text]


def test_some_long_responses_are_set_in_markdown_and_one_in_maths() -> None:
    long = [reply.text for sample in SAMPLES if sample.question_type == "long" for reply in sample.responses]
    assert sum("<strong>" in markdown(text) or "<li>" in markdown(text) for text in long) >= 3
    assert any("$" in text for text in long)


def test_every_picture_is_found_opens_and_carries_no_metadata(tmp_path: Path) -> None:
    for medium in content.media().values():
        files = media.export(medium, tmp_path)
        assert len(files) == (medium.frames if medium.kind == "video" else 1)
        for file in files:
            with Image.open(file) as picture:
                picture.load()
                assert picture.format == "JPEG"
                assert max(picture.size) <= media.LONGEST_SIDE
                assert min(picture.size) > 150
                assert not picture.getexif()


def test_a_package_that_is_not_there_is_named() -> None:
    medium = content.media()["coffee"].model_copy(update={"package": "no-such-package-here"})
    with pytest.raises(media.MediumMissing, match="no-such-package-here"):
        media.find(medium)
    elsewhere = content.media()["coffee"].model_copy(update={"file": "skimage/data/no-such-file.png"})
    with pytest.raises(media.MediumMissing, match="no-such-file"):
        media.find(elsewhere)


def test_the_licences_list_every_file_with_its_package_author_and_licence() -> None:
    listed = (ROOT / "docs" / "demonstration-media.md").read_text("utf-8").splitlines()
    for medium in content.media().values():
        line = next((line for line in listed if f"`{medium.file}`" in line), None)
        assert line, f"docs/demonstration-media.md does not list {medium.file}"
        assert all(word in line for word in (medium.package, medium.author, medium.licence, medium.alt))


def test_every_package_is_in_the_demo_group() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    missing = [medium.package for medium in content.media().values() if f'"{medium.package}' not in project]
    assert not missing
