"""Uploads and media: what is brought in is seen first; what is shown is guarded and tells nothing."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations import bringing
from app.core.db import now
from app.samples import imports, staging
from app.samples.tables import Import, Sample
from tests import cast

REPLIES = [{"model": "demo-a", "text": "A cat."}, {"model": "demo-b", "text": "A dog."}]
LINE = json.dumps({"prompt": "What is it?", "image": "media/cat.jpg", "responses": REPLIES})
JSON = {"accept": "application/json"}


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


def _work(session: Session) -> None:
    """What the desk's worker does with the imports that wait."""
    for import_id in session.scalars(sa.select(Import.id).where(Import.ended_at.is_(None))):
        imports.perform(import_id, bringing.keep)


def admin(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    cast.project(session, alice)
    cast.sign_in(client, session, alice)


def test_an_admin_sees_what_an_upload_holds_before_it_is_added(client: TestClient, session: Session) -> None:
    admin(client, session)
    content = archive(**{"samples.jsonl": f"{LINE}\nbroken\n".encode(), "media/cat.jpg": cast.picture()})
    sent = client.post("/projects/streets/samples/imports", files={"file": ("a.zip", content)}, follow_redirects=False)
    address = sent.headers["location"]
    preview = client.get(address).text
    assert "What is it?" in preview
    assert "This is not JSON" in preview
    chinese = client.get(address, headers={"accept-language": "zh-CN"}).text
    tally = "已查看前 <b>2</b> 条记录。 将新增 <b>1</b> 个样本。 其中 <b>1</b> 条有错误。"
    assert f'<p class="tally">{tally}</p>' in chinese
    assert session.scalar(sa.select(sa.func.count()).select_from(Sample)) == 0
    client.post(f"{address}/confirmation", follow_redirects=False)
    _work(session)
    assert "1 line at fault" in client.get(address).text
    assert session.scalar(sa.select(sa.func.count()).select_from(Sample)) == 1
    assert client.post(f"{address}/confirmation", headers=JSON).json()["error"] == "AlreadyImported"


def test_an_import_keeps_its_upload_from_being_swept(client: TestClient, session: Session) -> None:
    admin(client, session)
    content = archive(**{"samples.jsonl": LINE.encode(), "media/cat.jpg": cast.picture()})
    sent = client.post("/projects/streets/samples/imports", files={"file": ("a.zip", content)}, follow_redirects=False)
    client.post(f"{sent.headers['location']}/confirmation")
    folder = Path(session.scalars(sa.select(Import.aside)).one()).parent
    os.utime(folder, (1.0, 1.0))
    _work(session)
    staging.sweep(folder.parent)
    assert folder.exists()
    os.utime(folder, (1.0, 1.0))
    staging.sweep(folder.parent)
    assert not folder.exists()


def test_an_import_is_found_again_while_it_goes_on_and_after_its_upload_is_gone(
    client: TestClient, session: Session
) -> None:
    admin(client, session)
    content = archive(**{"samples.jsonl": f"{LINE}\nbroken\n".encode(), "media/cat.jpg": cast.picture()})
    sent = client.post("/projects/streets/samples/imports", files={"file": ("a.zip", content)}, follow_redirects=False)
    address = sent.headers["location"]
    client.post(f"{address}/confirmation", data={"shape": "assay"}, follow_redirects=False)
    session.execute(sa.update(Import).values(heard_at=now() - dt.timedelta(seconds=30)))
    session.commit()
    assert "fallen silent" in client.get(address).text
    session.execute(sa.update(Import).values(heard_at=None))
    session.commit()
    _work(session)
    shutil.rmtree(Path(session.scalars(sa.select(Import.aside)).one()).parent)
    listed = client.get("/projects/streets/samples/import").text
    assert f'href="{address}">a.zip</a>' in listed
    assert "1 line at fault" in client.get(address).text


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("up.zip", archive(**{"../evil.jsonl": b"{}"}), "UnsafeArchive"),
        ("bomb.zip", archive(**{"a.jsonl": b"0" * 50_000_000}), "UnsafeArchive"),
        ("none.zip", archive(**{"readme.txt": b"hello"}), "BadSource"),
        ("cut.zip", archive(**{"a.jsonl": LINE.encode() * 50})[:-30], "BadUpload"),
        ("picture.jsonl", cast.picture(), "BadUpload"),
    ],
)
def test_a_bad_upload_is_named(client: TestClient, session: Session, name: str, content: bytes, error: str) -> None:
    admin(client, session)
    answer = client.post("/projects/streets/samples/imports", files={"file": (name, content)}, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (422, error)


def test_a_picture_is_for_members_only_and_kept_by_their_browsers(client: TestClient, session: Session) -> None:
    alice, bob = cast.user(session, "alice"), cast.user(session, "bob")
    project = cast.project(session, alice)
    cast.seat(session, bob, project, "annotator")
    medium = cast.sample(session, project).media[0]
    address = f"/projects/streets/media/{medium.id}"
    cast.sign_in(client, session, bob)
    answer = client.get(address)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(address, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert client.get(address, headers={"range": "bytes=0-9"}).status_code == 206
    assert client.get(address, params={"size": "thumb"}).status_code == 200
    cast.sign_in(client, session, cast.user(session, "charlie"))
    assert client.get(address).status_code == 404


def test_a_picture_of_another_project_is_not_there(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    medium = cast.sample(session, cast.project(session, alice)).media[0]
    dora = cast.user(session, "dora")
    cast.project(session, dora, "Forests")
    cast.sign_in(client, session, dora)
    assert client.get(f"/projects/forests/media/{medium.id}").status_code == 404


def test_an_annotator_may_not_see_the_list_of_samples_nor_import(client: TestClient, session: Session) -> None:
    project, bob = cast.project(session, cast.user(session, "alice")), cast.user(session, "bob")
    cast.seat(session, bob, project, "annotator")
    sample = cast.sample(session, project)
    cast.sign_in(client, session, bob)
    for address in ("samples", f"samples/{sample.id}", "samples/import"):
        assert client.get(f"/projects/streets/{address}").status_code == 403


def test_the_list_is_filtered_by_the_state_of_the_tasks(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    project = cast.project(session, alice)
    cast.sample(session, project, "What is <b>this</b>?")
    cast.sign_in(client, session, alice)
    assert "What is &lt;b&gt;this" in client.get("/projects/streets/samples?state=uncut").text
    client.post("/projects/streets/tasks")
    assert "Nothing matches" in client.get("/projects/streets/samples?state=uncut").text
    assert "What is" in client.get("/projects/streets/samples?state=open").text
