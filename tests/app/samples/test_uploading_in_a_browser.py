"""A file is brought in from the browser: piece by piece, seen first, then imported while the page tells how far."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Route, expect
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.annotations import bringing
from app.samples import imports, pieces
from app.samples.tables import Import
from tests import cast


def archive() -> bytes:
    replies = [{"model": "m1", "text": "A cat.", "rank": 1}, {"model": "m2", "text": "A dog.", "rank": 2}]
    line = json.dumps({"question": "What is it?", "image": "short/cat.jpg", "responses": replies}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        for name, content in (("data.jsonl", line), ("short/cat.jpg", cast.picture())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_an_upload_survives_a_broken_connection_and_its_import_is_watched(
    session: Session, browser: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LARGEST", 200)
    alice = cast.user(session, "alice")
    cast.project(session, alice)
    secret = sign_in(session, alice.email, cast.PASSWORD)
    session.commit()
    context = browser.new_context()
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = context.new_page()
    broken: list[str] = []

    def break_once(route: Route) -> None:
        if broken or route.request.url.endswith("/0"):
            return route.continue_()
        broken.append(route.request.url)
        route.abort()

    page.route("**/pieces/*", break_once)
    page.goto(f"{address}/projects/streets/samples/import")
    page.wait_for_load_state("load")
    page.locator("input[type=file]").set_input_files(
        {"name": "data.tgz", "mimeType": "application/gzip", "buffer": archive()}
    )
    page.get_by_role("button", name="Show what is in it").click()
    expect(page.get_by_text("with its judgement")).to_be_visible(timeout=30_000)
    assert broken
    page.get_by_role("button", name="Import the file").click()
    expect(page.get_by_text("Waiting for the desk's worker.")).to_be_visible()
    imports.perform(session.scalars(sa.select(Import.id)).one(), bringing.keep)
    expect(page.locator("#import-state")).to_contain_text("Done", timeout=30_000)
    context.close()


DROP = """(names) => {
    const transfer = new DataTransfer();
    for (const name of names) transfer.items.add(new File(['{"prompt": "Dropped?", "image": "a.jpg"}'], name));
    for (const kind of ["dragenter", "dragover", "drop"])
        document.querySelector("h1").dispatchEvent(
            new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def test_a_file_may_be_dropped_anywhere_on_the_page(session: Session, browser: Browser, address: str) -> None:
    alice = cast.user(session, "alice")
    cast.project(session, alice)
    secret = sign_in(session, alice.email, cast.PASSWORD)
    session.commit()
    context = browser.new_context()
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = context.new_page()
    page.goto(f"{address}/projects/streets/samples/import")
    page.wait_for_load_state("load")
    page.evaluate(DROP, ["one.jsonl", "two.jsonl"])
    expect(page.get_by_role("status")).to_contain_text("One file at a time")
    page.evaluate(DROP, ["one.jsonl"])
    expect(page.get_by_role("heading", name="one.jsonl")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("There is no file “a.jpg” among the media.")).to_be_visible()
    context.close()
