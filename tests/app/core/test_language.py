"""People read the pages in the language they chose, else in their browser's."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import language
from tests import cast

CHINESE = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [
        ("", "en"),
        ("zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en-GB,en;q=0.9,zh;q=0.1", "en"),
        ("de, zh;q=0.3, en;q=0.2", "zh-CN"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=nonsense", "en"),
    ],
)
def test_a_browser_is_answered_in_the_language_it_likes_best(accepted: str, spoken: str) -> None:
    language.listen(None, accepted)
    assert language.language() == spoken


def test_a_stranger_reads_the_sign_in_page_in_the_browsers_language(client: TestClient) -> None:
    page = client.get("/sign-in", headers=CHINESE).text
    assert '<html lang="zh-CN"' in page and "登录" in page and "Sign in" not in page


def test_a_stranger_may_choose_before_signing_in(client: TestClient) -> None:
    answer = client.post("/language", data={"language": "zh-CN", "next": "/sign-in"})
    assert answer.status_code == 200 and '<html lang="zh-CN"' in answer.text


def test_the_choice_goes_with_the_account_to_another_browser(client: TestClient, session: Session) -> None:
    ana = cast.user(session, "ana")
    cast.sign_in(client, session, ana).post("/language", data={"language": "zh-CN"})
    client.cookies.clear()
    page = cast.sign_in(client, session, ana).get("/", headers={"accept-language": "en"})
    assert '<html lang="zh-CN"' in page.text


def test_a_refusal_speaks_the_readers_language(client: TestClient) -> None:
    answer = client.post("/language", data={"language": "tlh"}, headers=CHINESE)
    assert answer.status_code == 422 and "“tlh”不是本界面支持的语言。" in answer.text


def test_the_chooser_leads_nowhere_else(client: TestClient) -> None:
    answer = client.post("/language", data={"language": "en", "next": "//evil.example"}, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/"


def test_scripts_fetch_their_words_once(client: TestClient) -> None:
    language.listen("zh-CN", "")
    answer = client.get(language.script_words_address())
    assert '"just now":"刚刚"' in answer.text and "immutable" in answer.headers["cache-control"]
    assert client.get("/language/tlh.js").status_code == 404


def test_a_sentence_that_a_job_stored_is_told_in_the_readers_language() -> None:
    stored = "ana@example.org has an account already."
    language.listen("zh-CN", "")
    assert language.told(stored) == "ana@example.org 已有账号。"
    assert language.told("Nobody's catalogue knows this.") == "Nobody's catalogue knows this."
    language.listen("en", "")
    assert language.told(stored) == stored
