"""The map's points as arrays, and drawing round some of them in a browser."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.annotations import mapping
from app.projects.guard import Seat
from app.samples import curating
from app.samples.queries import Filters
from app.samples.tables import Sample
from app.tasks import actions
from tests import cast
from tests.app.annotations.conftest import FLAGS
from tests.patience import patient

AT = "/projects/streets"
ASKED = """
window.asked = 0;
const frame = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (told) => ((window.asked = performance.now()), frame(told));
"""
MANY = sa.text("""
INSERT INTO samples
  (project_id, external_id, prompt, domain, question_type, content_sha256, credit, cluster, map_x, map_y)
  SELECT :project, 'm' || n, 'Scene ' || n, 'image', 'long', 'm' || n, '', 'c' || n % 3,
    cos(n) * (n % 97) / 97.0, sin(n) * (n % 89) / 89.0 FROM generate_series(1, 20000) n
""")


@pytest.fixture
def ada(session: Session) -> Seat:
    """Ada administers Streets: nine samples on a grid of the map, in three clusters by column."""
    ada = cast.user(session, "Ada", is_admin=False)
    project = cast.project(session, ada, "Streets")
    for place in range(9):
        row = cast.sample(session, project, f"question {place}", 2, cluster=f"c{place % 3}")
        row.map_x, row.map_y = (place % 3 - 1) * 0.8, (place // 3 - 1) * 0.8
    cast.sample(session, project, "not mapped", 2)
    session.commit()
    return cast.seat(session, ada, project, "admin")


def read(content: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<I", content)
    head = orjson.loads(content[4 : 4 + length])
    found, offset = {"head": head}, 4 + length
    for name, kind in head["columns"]:
        found[name] = np.frombuffer(content, f"<{kind}", head["n"], offset)
        offset += found[name].nbytes
    assert offset == len(content)
    return found


def test_every_mapped_sample_is_a_point_with_its_codes(session: Session, ada: Seat) -> None:
    curating.set_aside(session, ada, Filters(cluster="c0"))
    actions.cut_tasks(
        session, ada.project, ada.user, [session.query(Sample.id).filter_by(prompt="question 1").scalar()]
    )
    found = read(mapping.points(session, ada))
    assert (found["head"]["n"], found["head"]["cluster"]) == (9, ["c0", "c1", "c2"])
    assert found["cluster"].tolist() == [0, 1, 2] * 3
    assert found["x"].tolist() == pytest.approx([-0.8, 0.0, 0.8] * 3)
    assert found["state"].tolist() == [3, 1, 0, 3, 0, 0, 3, 0, 0]
    assert set(found["disagreement"].tolist()) == {mapping.NONE}
    assert (len(mapping.points(session, ada)) - found["head"]["n"] * 22 - 4) % 8 == 4, (
        "columns of eight bytes are aligned"
    )


def test_a_project_without_a_map_says_how_one_is_made(session: Session, client: TestClient) -> None:
    ada = cast.user(session, "Ada", is_admin=False)
    cast.seat(session, ada, cast.project(session, ada, "Streets"), "admin")
    cast.sign_in(client, session, ada)
    page = client.get(f"{AT}/map").text
    assert "No map yet" in page
    assert f'<a href="{AT}/samples" aria-current="page">' in page, "the map is a part of the samples' place"
    assert read(client.get(f"{AT}/map/points").content)["head"]["n"] == 0


def test_pictures_of_points_are_the_projects_own(session: Session, ada: Seat, client: TestClient) -> None:
    theirs = cast.sample(session, cast.project(session, ada.user, "Fields"), "theirs", 2)
    mine = session.query(Sample.id).filter_by(prompt="question 1").scalar()
    cast.sign_in(client, session, ada.user)
    told = client.get(f"{AT}/map/pictures", params={"ids": [mine, theirs.id]}).json()
    assert list(told) == [str(mine)]
    assert told[str(mine)]["veiled"] is False
    ada.user.veils, session.get_one(Sample, mine).domain = True, "safety"
    session.commit()
    assert client.get(f"{AT}/map/pictures", params={"ids": [mine]}).json()[str(mine)]["veiled"] is True
    assert client.get(told[str(mine)]["picture"]).status_code == 200


@pytest.fixture
def drawing() -> Iterator[Browser]:
    """A browser that draws WebGL by software."""
    flags = [flag for flag in FLAGS if flag != "--disable-gpu"]
    flags += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield browser
        browser.close()


def opened(session: Session, ada: Seat, address: str, drawing: Browser) -> tuple[Page, Locator]:
    """Ada's map in a browser, and its ground."""
    secret = sign_in(session, ada.user.email, cast.PASSWORD)
    session.commit()
    context = drawing.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = patient(context.new_page())
    page.add_init_script(ASKED)
    page.goto(f"{address}{AT}/map")
    ground = page.locator("#map-ground[data-ready=true]")
    ground.wait_for()
    return page, ground


def middle(ground: Locator) -> tuple[float, float]:
    box = ground.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def at_rest(page: Page) -> None:
    """Wait until the page has asked for no frame for a while: all is drawn."""
    page.wait_for_function("() => performance.now() - window.asked > 400", polling=100)


def pixels(ground: Locator) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(Image.open(io.BytesIO(ground.screenshot())).convert("RGB")).astype(int)


def near(picture: np.ndarray, x: float, y: float) -> list[int]:  # type: ignore[type-arg]
    """The darkest pixel of the four where a point's middle is."""
    part = picture[round(y) - 1 : round(y) + 1, round(x) - 1 : round(x) + 1].reshape(-1, 3)
    return list(part[part.sum(axis=1).argmin()])


def test_points_have_the_colours_of_the_legend_and_stay_under_the_pointer(
    session: Session, ada: Seat, address: str, drawing: Browser
) -> None:
    page, ground = opened(session, ada, address, drawing)
    page.evaluate("document.querySelector('#map-pictures').hidden = true")
    at_rest(page)
    fill = page.locator("#map-legend circle").nth(1).get_attribute("fill")
    assert fill
    colour = [int(each) for each in fill.removeprefix("rgb(").removesuffix(")").split()]
    x, y = middle(ground)
    box = ground.bounding_box()
    assert box
    assert near(pixels(ground), x - box["x"], y - box["y"]) == colour, "the point in the middle is of cluster c1"
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 60, steps=6)
    page.mouse.up()
    page.mouse.wheel(0, -300)
    at_rest(page)
    moved = pixels(ground)
    assert near(moved, x + 90 - box["x"], y + 60 - box["y"]) == colour
    assert (moved[200, 8:-8] == moved[200, 8]).all(), "nothing is drawn where no point is"
    assert (moved == colour).all(axis=2).sum() < 400, "what was drawn before is gone"


def test_a_map_of_many_points_is_whole_again_at_rest(
    session: Session, ada: Seat, address: str, drawing: Browser
) -> None:
    """Twenty thousand points do not fit into one share: the picture is made in several frames."""
    session.execute(MANY, {"project": ada.project.id})
    page, ground = opened(session, ada, address, drawing)
    at_rest(page)
    before = pixels(ground)
    x, y = middle(ground)
    page.mouse.move(x, y)
    for turn in (-1, 1, -1):
        page.mouse.wheel(0, turn * 500)
        page.mouse.down()
        page.mouse.move(x + 200, y + 100, steps=8)
        page.mouse.up()
    at_rest(page)
    assert (pixels(ground) != before).any()
    ground.press("0")
    at_rest(page)
    assert (pixels(ground) == before)[8:-8, 8:-8].all(), "but for the ring of the focus"


def test_an_admin_draws_round_some_points_and_sets_them_aside(
    session: Session, ada: Seat, address: str, drawing: Browser
) -> None:
    page, ground = opened(session, ada, address, drawing)
    assert page.locator("#map-legend li").count() == 3
    page.click("#map-lasso")
    box = ground.bounding_box()
    assert box
    side = min(box["width"], box["height"]) / 2.1
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    # Round the left column: x from -1 to -0.4, all heights.
    corners = [(-1.0, -1.0), (-0.4, -1.0), (-0.4, 1.0), (-1.0, 1.0)]
    places = [(middle[0] + x * side, middle[1] + y * side) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    assert page.locator("#map-count").inner_text() == "3 samples selected"
    page.click("text=Set all aside")
    page.locator("#map-aside").get_by_role("button", name="Set aside").click()
    page.locator("#map-ground[data-ready=true]").wait_for()
    page.select_option("#map-colour", "state")
    page.locator("#map-legend", has_text="set aside").wait_for()
    session.expire_all()
    ids = [row.id for row in session.query(Sample).filter_by(cluster="c0")]
    assert set(curating.aside_of(session, ids)) == set(ids)
