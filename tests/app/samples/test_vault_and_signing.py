"""Blobs in a vault behind the folder, and addresses of media that work without a sign-in for a while."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.core import storage, vault
from app.core.settings import settings
from app.samples import signing
from app.samples.tables import Medium
from tests import cast


@pytest.fixture(params=["file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = f"file://{tmp_path}/vault" if request.param == "file" else f"memory://vault-{tmp_path.name}"
    monkeypatch.setenv("BLOBS_URL", url)
    settings.cache_clear()
    yield url
    settings.cache_clear()


def test_a_blob_comes_back_from_the_vault_when_the_folder_lost_it(place: str) -> None:
    sha256 = storage.put_blob(b"a picture")
    storage.blob_path(sha256).unlink()
    assert storage.blob(sha256).read_bytes() == b"a picture"
    vault.forget(sha256)
    vault.forget(sha256)
    storage.blob_path(sha256).unlink()
    assert not storage.blob(sha256).exists()


def test_what_was_half_put_is_put_again_and_what_is_whole_is_not(place: str, tmp_path: Path) -> None:
    sha256 = storage.put_blob(b"a picture")
    files, where = vault._place(sha256)
    files.pipe_file(where, b"a pic")
    storage.put_blob(b"a picture")
    assert files.cat_file(where) == b"a picture"


def test_a_vault_with_other_content_is_refused_not_shown(place: str) -> None:
    sha256 = storage.put_blob(b"a picture")
    files, where = vault._place(sha256)
    files.pipe_file(where, b"another thing")
    storage.blob_path(sha256).unlink()
    with pytest.raises(vault.VaultFault):
        storage.blob(sha256)
    assert not storage.blob_path(sha256).exists()


def test_a_vault_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOBS_URL", "nosuch://bucket/blobs")
    settings.cache_clear()
    with pytest.raises(vault.VaultFault) as told:
        storage.put_blob(b"a picture")
    assert told.value.where == "BLOBS_URL"
    settings.cache_clear()


@pytest.fixture
def medium(session: Session) -> Medium:
    ada = cast.user(session, "Ada", is_admin=False)
    sample = cast.sample(session, cast.project(session, ada, "Streets"))
    session.commit()
    return sample.media[0]


def test_a_signed_address_shows_the_picture_to_whoever_holds_it(
    session: Session, medium: Medium, client: TestClient
) -> None:
    ada = cast.user(session, "Ana", is_admin=True)
    cast.sign_in(client, session, ada)
    told = client.get(f"/projects/streets/media/{medium.id}/address").json()
    client.cookies.clear()
    answer = client.get(told["url"])
    assert (answer.status_code, answer.content) == (200, storage.blob_path(medium.blob_sha256).read_bytes())
    part = client.get(told["url"], headers={"range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)
    assert "max-age=31536000" in answer.headers["cache-control"]
    assert 3600 <= told["until"] - time.time() <= 7200


def test_a_changed_or_expired_address_is_refused_by_name(
    medium: Medium, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, until = signing.address(medium, "thumb")
    headers = {"accept": "application/json"}
    for other in (url.replace("/thumb", "/full"), url.replace(f"until={until}", f"until={until + 1}"), url[:-1] + "?"):
        told = client.get(other, headers=headers)
        assert (told.status_code, told.json()["error"]) == (403, "BadSignature")
    monkeypatch.setattr(signing.time, "time", lambda: until + 1.0)
    told = client.get(url, headers=headers)
    assert (told.status_code, told.json()["error"]) == (403, "AddressExpired")


def test_an_address_asked_for_twice_within_the_hour_is_the_same(
    medium: Medium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing.time, "time", lambda: 7200.0)
    first = signing.address(medium, "thumb")
    monkeypatch.setattr(signing.time, "time", lambda: 10799.0)
    assert signing.address(medium, "thumb") == first
    monkeypatch.setattr(signing.time, "time", lambda: 10800.0)
    assert signing.address(medium, "thumb") != first
