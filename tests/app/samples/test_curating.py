"""An admin sets samples aside, tags them, renames and merges clusters: by a filter, a cluster, a part of the map."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.projects.guard import Seat
from app.samples import curating
from app.samples.queries import BadArea, Filters, matching
from app.samples.tables import Sample
from app.tasks import actions, samplings
from app.tasks.tables import Task
from tests import cast

AT = "/projects/streets"


@pytest.fixture
def ada(session: Session) -> Seat:
    """Ada administers Streets: six samples in clusters 1 and 2, on a row of the map from -0.5 to 0.5."""
    ada = cast.user(session, "Ada", is_admin=False)
    project = cast.project(session, ada, "Streets")
    for place in range(6):
        row = cast.sample(session, project, f"question {place}", 2, cluster=str(1 + place % 2))
        row.map_x, row.map_y = place / 5 - 0.5, 0.0
    session.commit()
    return cast.seat(session, ada, project, "admin")


@pytest.fixture
def client_of_ada(ada: Seat, client: TestClient, session: Session) -> TestClient:
    return cast.sign_in(client, session, ada.user)


def of(session: Session, seat: Seat, **filters: object) -> list[str]:
    query = matching(seat, Filters(**filters)).order_by(Sample.id)  # type: ignore[arg-type]
    return [each.prompt.removeprefix("question ") for each in session.scalars(query)]


LEFT = "-0.6,-0.1 0.0,-0.1 0.0,0.1 -0.6,0.1"


def test_a_part_of_the_map_is_what_lies_within_its_corners(session: Session, ada: Seat) -> None:
    assert of(session, ada, area=LEFT) == ["0", "1", "2"]
    assert of(session, ada, area=LEFT, cluster="2") == ["1"]
    dent = "-0.6,-0.1 -0.31,-0.1 -0.3,0.05 -0.29,-0.1 0.0,-0.1 0.0,0.1 -0.6,0.1"
    assert of(session, ada, area=dent) == ["0", "2"], "the corner between them leaves the second out"


@pytest.mark.parametrize(
    "area", ["1,1", "0,0 1,1", "a b c", "0,0 1,1 9e9,0", "0,0 1,1 1,0); drop table samples", "0,0 " * 500]
)
def test_corners_that_cannot_be_read_are_refused(session: Session, ada: Seat, area: str) -> None:
    with pytest.raises(BadArea):
        of(session, ada, area=area)


def test_what_is_set_aside_is_neither_picked_nor_cut_until_it_is_taken_in_again(session: Session, ada: Seat) -> None:
    assert curating.set_aside(session, ada, Filters(area=LEFT), "blurred") == 3
    assert curating.set_aside(session, ada, Filters(area=LEFT)) == 0, "twice is harmless"
    assert of(session, ada, aside="only") == ["0", "1", "2"]
    assert sum(samplings.counts(session, ada, fresh=True).values()) == 3
    actions.cut_tasks(session, ada.project, ada.user)
    assert session.scalar(sa.select(sa.func.count(Task.sample_id.distinct()))) == 3
    assert curating.bring_back(session, ada, Filters(cluster="1", aside="only")) == 2
    assert of(session, ada, aside="only") == ["1"]


def test_tags_find_samples_again(session: Session, ada: Seat) -> None:
    assert curating.tag(session, ada, Filters(cluster="1"), "night") == 3
    assert curating.tag(session, ada, Filters(area=LEFT), "night") == 1
    assert of(session, ada, tag="night") == ["0", "1", "2", "4"]
    assert curating.tags(session, ada) == [("night", 4)]
    assert curating.tag(session, ada, Filters(cluster="1"), "night", off=True) == 3
    with pytest.raises(curating.BadTag):
        curating.tag(session, ada, Filters(cluster="1"), " ")


def test_a_selection_that_is_everything_or_nothing_is_refused(session: Session, ada: Seat) -> None:
    with pytest.raises(curating.NothingSelected):
        curating.set_aside(session, ada, Filters())
    with pytest.raises(curating.NothingSelected):
        curating.bring_back(session, ada, Filters())
    with pytest.raises(curating.NothingSelected):
        curating.tag(session, ada, Filters(cluster="none"), "night")


def test_clusters_are_renamed_and_merged(session: Session, ada: Seat) -> None:
    curating.rename(session, ada, "1", "streets at night")
    with pytest.raises(curating.ClusterThere):
        curating.rename(session, ada, "2", "streets at night")
    assert [(each.name, each.size) for each in curating.clusters(session, ada)] == [("2", 3), ("streets at night", 3)]
    assert curating.merge(session, ada, ["2", "streets at night"], "streets") == 6
    with pytest.raises(curating.NothingSelected, match="Tick"):
        curating.merge(session, ada, [], "streets")
    assert [each.name for each in curating.clusters(session, ada)] == ["streets"]


def test_the_page_of_clusters_is_worked_by_its_forms(session: Session, ada: Seat, client_of_ada: TestClient) -> None:
    text = client_of_ada.get(f"{AT}/clusters").text
    assert text.count('class="wall"') == 2
    sent = {"action": "aside", "cluster": "1", "reason": "dull", "next": f"{AT}/clusters"}
    assert "3 set aside" in client_of_ada.post(f"{AT}/samples/curation", data=sent).text
    assert "dull" in client_of_ada.get(f"{AT}/samples", params={"cluster": "1"}).text
    sent = {"action": "tag", "area": LEFT, "tag": "left"}
    answer = client_of_ada.post(f"{AT}/samples/curation", data=sent)
    assert "tag=left" in str(answer.url)
    assert answer.text.count('<td class="thumb">') == 3
    client_of_ada.post(f"{AT}/samples/curation", data={"action": "cut", "within": "left"})
    assert session.scalar(sa.select(sa.func.count(Task.sample_id.distinct()))) == 1, "two of the three are set aside"
    ids = list(session.scalars(sa.select(Sample.id).where(Sample.cluster == "2")))
    client_of_ada.post(f"{AT}/samples/curation", data={"action": "aside", "ids": ids})
    assert set(curating.aside_of(session, ids)) == set(ids)
    for action in ("aside", "back", "cut"):
        assert client_of_ada.post(f"{AT}/samples/curation", data={"action": action}).status_code == 409


def test_another_projects_samples_stay_as_they_are(session: Session, ada: Seat) -> None:
    other = cast.project(session, ada.user, "Fields")
    theirs = cast.sample(session, other, "theirs", 2, cluster="1")
    session.commit()
    curating.set_aside(session, ada, Filters(cluster="1"))
    curating.merge(session, ada, ["1", "2"], "all")
    session.expire_all()
    assert (curating.aside_of(session, [theirs.id]), theirs.cluster) == ({}, "1")
