"""Bundles: what pages load is what `static/` holds, each module in a scope of its own, those imported first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.core import bundles


@pytest.mark.parametrize("name", bundles.BUNDLES)
def test_every_bundle_can_be_put_together(name: str) -> None:
    text = bundles.text(name)
    assert all(Path(bundles.STATIC / path).exists() for path in bundles.BUNDLES[name])
    assert not re.search(r"^(import|export) ", text, re.M), "syntax of modules is left in it"


def test_a_module_comes_after_what_it_imports_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "STATIC", tmp_path)
    monkeypatch.setitem(bundles.BUNDLES, "two.js", ["js/one.js", "js/two.js"])
    (tmp_path / "js").mkdir()
    (tmp_path / "js/words.js").write_text('const word = "w";\nexport { word as default };\nexport const more = 1;\n')
    (tmp_path / "js/one.js").write_text('import word, { more as most } from "./words.js";\nconsole.log(word, most);\n')
    (tmp_path / "js/two.js").write_text(
        'import { more } from "/static/js/words.js";\nconst a = () => import("./x.js");\n'
    )
    text = bundles.text("two.js")
    assert text.count("// js/words.js") == 1
    assert "return { more, default: word };" in text
    assert "const { default: word, more: most } = $0;" in text
    assert 'import("/static/js/x.js")' in text
    bundles.text.cache_clear()


def test_what_a_bundle_does_not_understand_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "STATIC", tmp_path)
    monkeypatch.setitem(bundles.BUNDLES, "odd.js", ["odd.js"])
    (tmp_path / "odd.js").write_text('export * from "./other.js";\n')
    with pytest.raises(ValueError, match=r"odd\.js: a bundle does not understand"):
        bundles.text("odd.js")


def test_a_bundle_is_kept_for_ever_by_its_address_and_sent_compressed(client: TestClient) -> None:
    answer = client.get(bundles.address("annotate.js"), headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["content-encoding"] == "gzip"


def test_what_the_annotate_page_loads_beside_itself_leaves_room_in_its_150_kilobytes(client: TestClient) -> None:
    texts = [bundles.address("annotate.js"), bundles.address("annotate.css")]
    sent = sum(int(client.get(each, headers={"accept-encoding": "gzip"}).headers["content-length"]) for each in texts)
    font = (bundles.STATIC / "vendor/inter/inter-latin-wght-normal.woff2").stat().st_size
    assert sent + font < 130_000, "the page itself needs the rest"
