"""Lineage as a graph: who is in it, in which layer, and where its boxes and lines go."""

from __future__ import annotations

import pytest
from lxml import html
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.runs import layering, lineage
from app.runs.tables import Run
from tests import cast
from tests.app.runs import stories

CHAIN = [("d1", "r1"), ("d1", "r2"), ("r1", "r2"), ("d1", "r3"), ("r2", "r3"), ("r2", "r4")]


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def whole_loop(story: stories.Story) -> dict[str, Run]:
    """Reward, score, MM-DPO and evaluation, each reading the one before."""
    data = {"dataset": story.dataset.id}
    base = {"base": str(story.base)}
    reward = story.start()
    score = story.start("score", config={}, inputs={**data, "reward": reward.id})
    policy = story.start("mm_dpo", config=base, inputs={**data, "scores": score.id})
    evaluation = story.start("evaluate", config={}, inputs={**data, "policy": policy.id, "reward": reward.id})
    return {"reward": reward, "score": score, "mm_dpo": policy, "evaluate": evaluation}


def test_everything_stands_after_all_that_it_came_from() -> None:
    layer = layering.layers_of(["r4", "r3", "r2", "r1", "d1"], CHAIN)
    assert layer == {"d1": 0, "r1": 1, "r2": 2, "r3": 3, "r4": 3}
    assert all(layer[source] < layer[target] for source, target in CHAIN)


def test_a_circle_does_not_hang_the_page() -> None:
    assert layering.layers_of(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "b")]) == {"a": 0, "b": 1, "c": 1}


def test_ancestors_and_descendants_are_kept_and_siblings_are_not() -> None:
    kept, left_out = layering.around("r1", [*CHAIN, ("d1", "sibling")], 60)
    assert (kept, left_out) == ({"d1", "r1", "r2", "r3", "r4"}, 0)


def test_the_nearest_are_kept_where_there_are_too_many() -> None:
    edges = [(f"r{n}", f"r{n + 1}") for n in range(9)]
    assert layering.around("r4", edges, 5) == ({"r2", "r3", "r4", "r5", "r6"}, 5)


def test_no_two_boxes_overlap_and_the_drawing_is_the_same_each_time() -> None:
    nodes = ["d1", "r1", "r2", "r3", "r4"]
    drawing = layering.draw(nodes, CHAIN)
    corners = list(drawing.corners.values())
    for place, (x, y) in enumerate(corners):
        assert 0 <= x <= drawing.width - layering.WIDTH and 0 <= y <= drawing.height - layering.HEIGHT
        for a, b in corners[:place]:
            assert abs(a - x) >= layering.WIDTH or abs(b - y) >= layering.HEIGHT
    assert len(drawing.paths) == len(CHAIN)
    assert drawing == layering.draw(nodes, CHAIN)


def test_a_line_that_skips_a_layer_goes_around_the_boxes_between() -> None:
    drawing = layering.draw(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])
    x, y = drawing.corners["b"]
    (long,) = [path for path in drawing.paths if f"H{x + layering.WIDTH}" in path]
    height = float(long.split("H")[0].split()[-1])
    assert not y <= height <= y + layering.HEIGHT


def test_a_chinese_name_is_cut_by_its_width() -> None:
    assert lineage.fitted("奖励模型" * 5, 8) == "奖励模…"
    assert lineage.fitted("eight le", 8) == "eight le"


def test_a_long_name_takes_a_second_line_before_it_is_cut() -> None:
    assert lineage.in_lines("Eighteen letters a") == ["Eighteen letters a"]
    assert lineage.in_lines("Tiny policy aligned with MM-DPO") == ["Tiny policy", "aligned with MM-D…"]
    assert lineage.in_lines("Tiny reward model from reasons") == ["Tiny reward model", "from reasons"]
    assert lineage.in_lines("A" + "b" * 24) == ["A" + "b" * 17, "b" * 7]
    assert lineage.in_lines("x " + "y" * 30) == ["x " + "y" * 16, "y" * 14]
    assert lineage.in_lines("奖励模型评估策略对比基准模型") == ["奖励模型评估策略对", "比基准模型"]


def test_a_runs_page_draws_the_whole_way_with_a_link_for_each_thing(story: stories.Story, client: TestClient) -> None:
    runs = whole_loop(story)
    stories.begin(story.session, "Otto", "Fields").start()
    unrelated = story.start()
    cast.sign_in(client, story.session, story.seat.user)
    page = html.fromstring(client.get(f"{story.at}/{runs['score'].id}").text)
    links = {link.get("href"): link for link in page.xpath("//figure[@class='lineage-graph']//a")}
    project = f"/projects/{story.project.slug}"
    expected = [f"{project}/samples", f"{project}/reviews?state=accepted", f"{project}/datasets/{story.dataset.id}"]
    assert set(links) == {*expected, *(f"{story.at}/{run.id}" for run in runs.values())}
    assert f"{story.at}/{unrelated.id}" not in links
    own = [href for href, link in links.items() if link.get("aria-current") == "page"]
    assert own == [f"{story.at}/{runs['score'].id}"]
    assert "Score pairs" in links[own[0]].findtext("title")


def test_a_dataset_shows_what_came_from_it(story: stories.Story) -> None:
    runs = whole_loop(story)
    drawn = lineage.of_dataset(story.session, story.seat, story.dataset)
    assert {node.key for node in drawn.nodes} == {
        "samples", "judgements", f"d{story.dataset.id}", *(f"r{run.id}" for run in runs.values())
    }  # fmt: skip


def test_a_run_that_begins_from_anothers_checkpoint_came_from_it(story: stories.Story) -> None:
    first = story.start()
    checkpoint = storage.run_folder(first.id) / "output" / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "config.json").write_text("{}")
    second = story.start(config={"base": str(checkpoint), "critiques": "human"})
    assert (f"r{first.id}", f"r{second.id}") in lineage.edges(story.session, story.seat)
