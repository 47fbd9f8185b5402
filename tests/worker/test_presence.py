"""Workers say that they are there, what they run on, and that they leave; a page and Prometheus tell of them."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.main import app
from app.runs import workers
from app.runs.claims import take
from app.runs.worker_tables import Worker
from app.runs.workers import Presence
from tests import cast
from tests.app.runs import stories
from tests.worker.test_process import patiently
from worker import presence

SAID = """0, NVIDIA H100 80GB HBM3, 1024, 81559, 37, 41, GPU-a
1, NVIDIA H100 80GB HBM3, [N/A], 81559, [Not Supported], 40, GPU-b
"""


def test_what_the_cards_say_by_hand() -> None:
    first, second = presence.read(SAID)
    assert first["name"] == "NVIDIA H100 80GB HBM3" and first["memory_used"] == 2**30
    assert (first["use"], first["temperature"], second["memory_used"], second["use"]) == (0.37, 41, None, None)
    assert presence.visible([first, second], None) == [first, second]
    assert presence.visible([first, second], "1") == [second]
    assert presence.visible([first, second], "") == []
    assert presence.visible([first, second], "GPU-8932f937") == [first, second]
    assert presence.read("No devices were found\n") == []


def test_a_worker_is_heard_and_says_good_bye(session: Session) -> None:
    presence.begin("host:7", "gpu", "gpu")
    patiently(lambda: session.scalar(sa.select(sa.func.count()).select_from(Worker)))
    (line,) = workers.lines(session)
    assert (line.state, line.worker.service, line.worker.machine["cores"] >= 1) == ("free", "gpu", True)
    presence.end("host:7")
    session.rollback()
    session.expire_all()
    (line,) = workers.lines(session)
    assert line.state == "gone"


def heard(session: Session, name: str, ago: dt.timedelta) -> None:
    session.execute(sa.update(Worker).where(Worker.name == name).values(heard_at=sa.func.now() - ago))


@pytest.fixture
def story(session: Session) -> stories.Story:
    """A trainer at Rita's run, one with a card at nothing, and one that has not been heard of."""
    story = stories.begin(session)
    machine = presence.machine()
    for name, devices in (("a:1", []), ("b:2", presence.read(SAID)), ("c:3", [])):
        workers.note(session, Presence(name, "gpu", "gpu", machine, devices))
    take(session, story.start().id, "a:1")
    session.execute(
        sa.update(Worker).where(Worker.name == "c:3").values(heard_at=sa.func.now() - dt.timedelta(hours=1))
    )
    session.commit()
    return story


def test_the_page_shows_state_run_and_devices(client: TestClient, story: stories.Story) -> None:
    cast.sign_in(client, story.session, story.seat.user)
    page = client.get(f"{story.at}/workers").text
    assert all(word in page for word in ("working", "free", "silent", "a reward", "NVIDIA H100", "41 °C", "1.0 GiB"))
    other = stories.begin(story.session, "Olga", "Forests")
    cast.sign_in(client, story.session, other.seat.user)
    page = client.get(f"{other.at}/workers").text
    assert "a run of another project" in page and "a reward" not in page


def test_a_trainer_is_told_by_its_queue_whatever_it_is_called(client: TestClient, story: stories.Story) -> None:
    story.session.execute(sa.delete(Worker))
    for name, called, queue in (("d:4", "desk", "desk,media"), ("e:5", "second", "gpu")):
        workers.note(story.session, Presence(name, called, queue, presence.machine(), []))
    story.session.commit()
    cast.sign_in(client, story.session, story.seat.user)
    part = client.get(f"{story.at}/workers/state").text
    assert "No trainer is there" not in part
    assert part.index("trainer") < part.index("e:5") < part.index("desk") < part.index("d:4")
    assert part.strip() in client.get(f"{story.at}/workers").text, "the page holds what it is sent anew"


def test_before_any_worker_the_page_says_what_to_do(client: TestClient, session: Session) -> None:
    story = stories.begin(session)
    cast.sign_in(client, session, story.seat.user)
    assert "No worker has been heard of" in client.get(f"{story.at}/workers").text


def test_prometheus_reads_cards_and_states(client: TestClient, story: stories.Story) -> None:
    with TestClient(app, client=("127.0.0.1", 50000)) as here:
        families = text_string_to_metric_families(here.get("/metrics").text)
    found = {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}
    assert found["assay_workers", "gpu", "silent"] == found["assay_workers", "gpu", "working"] == 1
    assert found["assay_gpu_temperature_celsius", "0", "NVIDIA H100 80GB HBM3", "b:2"] == 41
    assert ("assay_gpu_use", "1", "NVIDIA H100 80GB HBM3", "b:2") not in found


def test_who_was_silent_for_days_is_forgotten(story: stories.Story) -> None:
    story.session.execute(
        sa.update(Worker).where(Worker.name == "c:3").values(heard_at=sa.func.now() - dt.timedelta(days=3))
    )
    workers.forget(story.session)
    assert {line.worker.name for line in workers.lines(story.session)} == {"a:1", "b:2"}
