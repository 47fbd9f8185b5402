"""The whole loop in a real browser: from a signed-in annotator to an evaluated policy, on the tiny model."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.main import app
from tests.flows.conftest import Platform
from tests.flows.reading import NO_PAGES, READERS, WITH_A_PROVIDER, faults

pytestmark = pytest.mark.timeout(600)
AT = "/projects/demo"
Enter = Callable[[str], Page]


def test_an_annotator_judges_a_sample_by_keyboard_and_gets_the_next(enter: Enter) -> None:
    page = enter("ana")
    page.goto(f"{AT}/annotate")
    first = page.url
    expect(page.locator("[data-cell]")).to_have_count(12)
    assert not re.search(r"demo-[abcd]", page.content()), "a model's name reached the annotator"
    page.locator("[data-cell]").first.click()
    for score in "454543212121":
        page.keyboard.press(score)
    for number, reason in enumerate(page.locator("[data-reason]").all()):
        reason.fill(f"Reason {number}: says what is there, leaves out the rest.")
    page.locator("[data-rank-reason]").fill("The first names the most of what is there.")
    page.locator("[data-typed]").fill("A B C=D")
    page.locator("[data-typed]").press("Enter")
    expect(page.locator("[data-words]").first).to_contain_text("A > B > C = D")
    page.keyboard.press("Control+Enter")
    page.locator("#odd [value=yes]").click()  # nobody reads so fast: it is asked once
    expect(page).not_to_have_url(first, timeout=20_000)
    page.goto(f"{AT}/annotations/mine")
    expect(page.get_by_text("A > B > C = D").first).to_be_visible()


def test_a_reviewer_accepts_what_waits(enter: Enter) -> None:
    page = enter("rosa")
    page.goto(f"{AT}/reviews")
    page.get_by_role("link", name="Review the first").click()
    reviewed = page.url
    page.get_by_role("button", name="Accept").click()
    expect(page).not_to_have_url(reviewed, timeout=20_000)
    page.goto(reviewed)
    expect(page.locator("h1")).to_contain_text("accepted")


def test_an_admin_sees_agreement_over_the_annotations_that_exist(enter: Enter) -> None:
    page = enter("admin")
    page.goto(f"{AT}/quality")
    for words in ("Helpfulness", "Faithfulness", "Ethical considerations", "Ranks, pairwise"):
        expect(page.get_by_text(words).first).to_be_visible()
    assert re.search(r"[01]\.\d\d", page.locator("main").inner_text()), "no figure of agreement is shown"


def test_a_researcher_freezes_and_downloads_a_dataset(enter: Enter) -> None:
    page = enter("rui")
    page.goto(f"{AT}/datasets/new")
    page.locator("input[name=name]").fill("from the flow")
    page.get_by_role("button", name="Freeze", exact=True).click()
    expect(page).to_have_url(re.compile(r"/datasets/\d+$"))
    answer = page.request.get(f"{page.url}/download?format=mm-rlhf")
    assert answer.ok, answer.status
    archive = zipfile.ZipFile(io.BytesIO(answer.body()))
    lines = [json.loads(line) for line in archive.read("dpo_pairs.jsonl").splitlines()]
    assert {"id", "prompt", "chosen", "rejected", "chosen_reason", "rejected_reason"} <= set(lines[0])
    assert all(line["image" if "image" in line else "video"] for line in lines)


def test_the_first_runs_end_and_lead_from_reasons_to_an_evaluated_policy(enter: Enter, platform: Platform) -> None:
    """Seeding queued one run of each recipe; the trainer has been at them since the start."""
    page = enter("rui")
    for run, recipe in enumerate(("expand", "reward", "score", "mm_dpo", "evaluate"), 1):
        page.goto(f"{AT}/runs/{run}")
        _until(page, "done", platform)
        assert recipe in platform.log or page.locator("h1").is_visible()
    expect(page.get_by_text(re.compile("win rate", re.I)).first).to_be_visible()
    page.goto(f"{AT}/runs/4")
    expect(page.locator(".uplot").first).to_be_visible()
    names = {name for line in _metrics(platform, 4) if line["kind"] == "metric" for name in line["values"]}
    assert {"loss", "accuracy"} <= names
    assert {name for name in names if "beta" in name}, "β is not reported"


def _metrics(platform: Platform, run: int) -> list[dict[str, object]]:
    path = platform.data / "storage" / "runs" / str(run) / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def _until(page: Page, state: str, platform: Platform, patience: float = 420) -> None:
    deadline = time.monotonic() + patience
    while (now := page.locator("#run").get_attribute("data-state")) != state:
        if now in ("failed", "cancelled") or time.monotonic() > deadline:
            pytest.fail(f"{page.url} is {now}:\n{page.locator('main').inner_text()[-3000:]}")
        page.wait_for_timeout(1000)


def test_a_run_started_from_the_form_shows_its_curves_live_is_cancelled_by_name_and_goes_on(
    enter: Enter, platform: Platform
) -> None:
    page = enter("rui")
    page.goto(f"{AT}/runs/new?recipe=reward&preset=tiny")
    page.locator("#name").fill("long enough to cancel")
    page.locator("details:has(#epochs) > summary").click()
    page.locator("#epochs").fill("100")
    page.locator("details:has(#checkpoint_every) > summary").first.click()
    page.locator("#checkpoint_every").fill("1")
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"/runs/\d+$"))
    expect(page.locator(".uplot").first).to_be_visible(timeout=120_000)  # without a reload: the stream brought it
    saved = platform.data / "storage" / "runs" / page.url.rsplit("/", 1)[1] / "checkpoints"
    _wait_until(page, lambda: any(place.suffix != ".aside" for place in saved.glob("step-*")))
    asked = time.monotonic()
    page.get_by_role("button", name=re.compile("Cancel")).first.click()
    if page.get_by_role("dialog").is_visible():
        page.get_by_role("dialog").get_by_role("button", name=re.compile("Cancel")).first.click()
    _reload_until(page, "cancelled")
    assert time.monotonic() - asked < 15
    expect(page.get_by_text("Cancelled by Rui")).to_be_visible()

    page.get_by_role("button", name="Go on from the last checkpoint").click()
    expect(page.locator("#notes")).to_contain_text(re.compile(r"resumed after step [1-9]"), timeout=120_000)
    page.get_by_role("button", name=re.compile("Cancel")).first.click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Cancel")).first.click()
    _reload_until(page, "cancelled")


def _wait_until(page: Page, true: Callable[[], bool], patience: float = 120) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it never came"
        page.wait_for_timeout(200)


def _reload_until(page: Page, state: str, patience: float = 15) -> None:
    deadline = time.monotonic() + patience
    while page.locator("#run").get_attribute("data-state") != state and time.monotonic() < deadline:
        page.wait_for_timeout(500)
        page.reload()
    assert page.locator("#run").get_attribute("data-state") == state


def test_expanding_with_neither_endpoint_nor_model_is_refused_with_what_to_set(enter: Enter) -> None:
    page = enter("rui")
    page.goto(f"{AT}/runs/new?recipe=expand")
    page.locator("#expander").select_option("endpoint")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text(re.compile("OPENAI_BASE_URL")).first).to_be_visible()


def test_a_base_model_that_does_not_exist_is_refused_by_name(enter: Enter) -> None:
    page = enter("rui")
    page.goto(f"{AT}/runs/new?recipe=mm_dpo&preset=tiny")
    page.locator("#base").fill("/no/such/model")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text("/no/such/model").first).to_be_visible()
    expect(page.locator("[role=alert]").first).to_be_visible()


def test_a_local_model_responds_to_samples_that_had_no_responses(
    enter: Enter, platform: Platform, tmp_path: Path
) -> None:
    for colour in ("red", "teal"):
        Image.new("RGB", (96, 64), colour).save(tmp_path / f"{colour}.png")
    lines = [{"prompt": f"What is {colour} here?", "image": f"{colour}.png"} for colour in ("red", "teal")]
    file = tmp_path / "bare.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = [sys.executable, "-m", "app.cli", "import", str(file), "--project", "demo", "--as", "admin@example.org"]
    # The test's own storage, broker and secret stay outside: the command is the platform's.
    outside = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "SECRET_KEY", "BASE_MODEL")
    environment = {name: value for name, value in os.environ.items() if name not in outside}
    subprocess.run(asked, check=True, env={**environment, "ASSAY_DATA": str(platform.data)}, timeout=120)
    page = enter("rui")
    page.goto(f"{AT}/runs/new?recipe=generate&preset=tiny")
    expect(page.locator("#estimate")).to_contain_text("2 samples lack responses")
    page.get_by_label("Local model").fill(str(platform.data / "storage" / "models" / "tiny"))
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    _until(page, "done", platform)
    rows = page.locator(".models-grid tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("What is teal here?")
    expect(page.locator(".models-grid .badge")).to_have_count(2)
    rows.first.get_by_text("How it was asked").click()
    expect(rows.first.get_by_text("temperature: 1.0")).to_be_visible()


def test_an_annotator_finds_no_runs_and_a_stranger_no_project(enter: Enter, platform: Platform) -> None:
    page = enter("ana")
    assert page.goto(f"{AT}/runs").status == 403  # type: ignore[union-attr]
    assert page.goto("/projects/elsewhere").status == 404  # type: ignore[union-attr]


def test_metric_lines_rise_and_none_is_lost(platform: Platform) -> None:
    lines = [line for line in _metrics(platform, 2) if line["kind"] == "metric" and line["split"] == "train"]
    steps = [int(str(line["step"])) for line in lines]
    assert len(steps) > 3
    assert all(later > earlier for earlier, later in pairwise(steps))


def test_every_page_of_the_site_has_a_reader() -> None:
    wanted = {
        path for path, methods in app.openapi()["paths"].items() if "get" in methods and not NO_PAGES.search(path)
    }
    named = {path for ways in READERS.values() for path, _way in ways} | WITH_A_PROVIDER
    assert wanted == named, f"say in tests/flows/reading.py who reads these, and where: {wanted ^ named}"


@pytest.mark.parametrize("name", READERS)
def test_every_page_can_be_read_by_everybody(name: str, enter: Enter) -> None:
    page = enter(name)
    addresses = [way if isinstance(way, str) else way(page) for _path, way in READERS[name]]
    found = [f"{address}: {fault}" for address in addresses for fault in faults(page, address)]
    assert not found, "\n".join(found)
