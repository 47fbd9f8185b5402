"""What pages show of large pictures and videos: made aside by a confined process, told about until it is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image
from sqlalchemy.orm import Session, selectinload
from starlette.testclient import TestClient

from app.core import storage
from app.demo import content, media
from app.projects.tables import Project
from app.samples import confined, keeping, renditions
from app.samples.importing import import_samples
from app.samples.tables import Medium, Sample
from tests import cast
from tests.app.samples.test_pictures import png
from worker import jobs

REPLIES = [{"model": "demo-a", "text": "A cat."}, {"model": "demo-b", "text": "A dog."}]


@pytest.fixture
def project(session: Session, client: TestClient) -> Project:
    alice = cast.user(session, "alice")
    row = cast.project(session, alice)
    cast.sign_in(client, session, alice)
    return row


def bring_in(session: Session, project: Project, folder: Path, **line: object) -> list[Medium]:
    text = json.dumps({"prompt": "What is it?", "responses": REPLIES, **line})
    report = import_samples(session, project, [text], folder, _me(session))
    assert report.faults == []
    session.commit()
    return list(session.scalars(sa.select(Medium).order_by(Medium.position)))


def _me(session: Session):  # type: ignore[no-untyped-def]
    from app.accounts.tables import User

    return session.scalars(sa.select(User)).first()


def large(folder: Path, size: tuple[int, int] = (5000, 3000), **more: object) -> Path:
    picture = Image.new("RGB", size, "white")
    picture.paste("red", (size[0] - 700, 0, size[0], 600))
    picture.save(folder / "large.jpg", quality=70, **more)
    return folder / "large.jpg"


def test_a_large_picture_is_told_to_be_prepared_and_then_shown_small_and_in_tiles(
    session: Session, client: TestClient, project: Project, tmp_path: Path
) -> None:
    large(tmp_path)
    medium = bring_in(session, project, tmp_path, image="large.jpg")[0]
    at = f"/projects/streets/media/{medium.id}"
    assert client.get(f"{at}/preparation").json() == {"state": "preparing", "percent": 0}
    assert client.get(at, params={"size": "display"}).headers["content-type"].startswith("image/svg")
    jobs.prepare_media([medium.id])
    told = client.get(f"{at}/preparation").json()
    assert (told["state"], told["ready"], told["levels"]) == ("ready", True, 13)
    shown = client.get(at, params={"size": "display"})
    assert (shown.headers["content-type"], "immutable" in shown.headers["cache-control"]) == ("image/webp", True)
    for level, last in ((13, (9, 5)), (12, (4, 2)), (0, (0, 0))):
        column, row = last
        assert client.get(f"{at}/tiles/{level}/{column}/{row}").headers["content-type"] == "image/jpeg"
        assert client.get(f"{at}/tiles/{level}/{column + 1}/{row}").status_code == 404
        assert client.get(f"{at}/tiles/{level}/{column}/{row + 1}").status_code == 404
    assert client.get(f"{at}/tiles/14/0/0").status_code == 404
    assert client.get(f"{at}/tiles/13/-1/0").status_code == 422


def test_a_picture_that_lies_on_its_side_stands_upright_in_its_tiles(
    session: Session, project: Project, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored right side is the bottom
    large(tmp_path, exif=exif)
    medium = bring_in(session, project, tmp_path, image="large.jpg")[0]
    assert (medium.width, medium.height) == (3000, 5000)
    assert renditions.prepare(medium)["height"] == 5000
    corner = Image.open(renditions.tile(medium, 13, 5, 9)).convert("RGB")
    assert corner.getpixel((200, 200))[1] < 60, "the red corner is at the lower right"
    assert Image.open(renditions.folder_of(medium.blob_sha256) / "display.webp").size == (960, 1600)


def test_a_picture_that_proves_damaged_is_named_and_not_tried_again(
    session: Session, client: TestClient, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "large.png").write_bytes(png(5000, 3000, b"\0" * 60_000))  # sound but for its data, which end early
    medium = bring_in(session, project, tmp_path, image="large.png")[0]
    jobs.prepare_media([medium.id])
    told = client.get(f"/projects/streets/media/{medium.id}/preparation").json()
    assert told["state"] == "failed"
    assert told["fault"].startswith("TruncatedImage: ")


def test_a_process_that_is_killed_is_a_named_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(confined, "SECONDS", 0.01)
    with pytest.raises(confined.TooCostly):
        confined.perform("picture", tmp_path / "none", tmp_path, "it")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    pytest.importorskip("av")
    source = media.find(content.media()["bunny"])
    (tmp_path / "clip.mp4").write_bytes(source.read_bytes())
    return tmp_path


def test_a_video_is_played_in_parts_and_its_frames_are_sampled(
    session: Session, client: TestClient, project: Project, clip: Path
) -> None:
    video = bring_in(session, project, clip, video="clip.mp4")[0]
    assert (video.kind, video.width, video.height) == ("video", 1280, 720)
    jobs.prepare_media([video.id])
    jobs.prepare_media([video.id])
    rows = list(session.scalars(sa.select(Medium).where(Medium.kind == "frame").order_by(Medium.position)))
    assert len(rows) == renditions.SAMPLED
    assert rows[0].at_seconds == 0
    assert [row.at_seconds for row in rows] == sorted(row.at_seconds or 0 for row in rows)
    at = f"/projects/streets/media/{video.id}"
    part = client.get(at, headers={"range": "bytes=100-199"})
    assert (part.status_code, len(part.content), part.headers["content-type"]) == (206, 100, "video/mp4")
    assert client.get(f"{at}/preparation").json()["fps"] == 25
    assert client.get(at, params={"size": "thumb"}).headers["content-type"] == "image/webp"


def test_every_sample_that_asks_about_a_video_gets_its_frames(
    session: Session, project: Project, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudged: list[int] = []
    monkeypatch.setattr(renditions, "nudge", lambda _session, _job, ids: nudged.extend(ids))
    first = bring_in(session, project, clip, video="clip.mp4")[0]
    bring_in(session, project, clip, video="clip.mp4", prompt="Asked in the same minute?")
    assert nudged == [first.id]
    jobs.prepare_media(nudged)
    assert frames(session) == [renditions.SAMPLED] * 2
    bring_in(session, project, clip, video="clip.mp4", prompt="Asked when it has long been prepared?")
    assert len(nudged) == 2
    jobs.prepare_media(nudged)
    assert frames(session) == [renditions.SAMPLED] * 3


def test_a_video_that_was_prepared_during_another_import_gets_its_frames_by_the_sweep(
    session: Session, project: Project, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bring_in(session, project, clip, video="clip.mp4")[0]
    line = json.dumps({"prompt": "Not committed yet?", "responses": REPLIES, "video": "clip.mp4"})
    import_samples(session, project, [line], clip, _me(session))
    session.flush()
    jobs.prepare_media([first.id])  # by another connection, which sees the first sample alone
    session.commit()
    assert frames(session) == [renditions.SAMPLED, 0]
    monkeypatch.setitem(jobs._looked, "up to", 0)
    monkeypatch.setattr(keeping, "LOOKED_AT", 1)  # the second video is for the second sweep
    jobs.sweep()
    assert frames(session) == [renditions.SAMPLED, 0]
    jobs.sweep()
    assert frames(session) == [renditions.SAMPLED] * 2
    jobs.sweep()
    jobs.sweep()
    assert frames(session) == [renditions.SAMPLED] * 2


def frames(session: Session) -> list[int]:
    session.expire_all()
    return [len(sample.seen) for sample in session.scalars(sa.select(Sample).options(selectinload(Sample.media)))]


def test_a_videos_own_frames_are_kept_and_its_file_is_not_what_models_see(
    session: Session, project: Project, clip: Path
) -> None:
    (clip / "one.jpg").write_bytes(cast.picture("red"))
    (clip / "two.jpg").write_bytes(cast.picture("blue"))
    rows = bring_in(session, project, clip, video="clip.mp4", frames=["one.jpg", "two.jpg"])
    jobs.prepare_media([rows[0].id])
    session.expire_all()
    assert [row.kind for row in rows[0].sample.media] == ["video", "frame", "frame"]
    assert [row.position for row in rows[0].sample.seen] == [1, 2]


def test_a_text_that_calls_itself_a_video_is_refused(session: Session, project: Project, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("not a film")
    text = json.dumps({"prompt": "What?", "video": "clip.mp4", "responses": REPLIES})
    report = import_samples(session, project, [text], tmp_path, _me(session))
    assert [(fault.field, "no video" in fault.reason) for fault in report.faults] == [("clip.mp4", True)]
    assert not list((storage.root() / "blobs").glob("*/*"))
