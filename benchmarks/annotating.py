"""How an annotation goes by: keys and clicks, the time from submitting to the next task, and what the page weighs.

    python -m benchmarks.annotating [--tasks 10000] [--rounds 50] [--out benchmarks/results/annotating.jsonl]

Starts a platform on a folder of its own, imports the tasks, and lets a headless Chromium annotate by keys alone: 12
scores, 4 reasons, a ranking with a tie, its reason. A click would be counted. The time runs from the key that submits
(pressed within the page) to the moment when the next page takes keys and its picture is decoded. Prints one table and
appends one JSON line with the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import BrowserContext, Error, Page, Request, TimeoutError, sync_playwright

from app.core.settings import Settings
from app.embedded.services import borrowed

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PICTURES = 20
IMPORTED = 100
SENTENCE = "two people wait beside a red bus near the corner while it rains and a dog sleeps under the bench"
COUNTED = ["scores", "keys", "letters", "clicks"]
REASON = "Names what is there."

# Counts presses and clicks for as long as the tab lives, and marks when the picture can be seen.
COUNT = """
const add = (name) => sessionStorage.setItem(name, Number(sessionStorage.getItem(name) ?? 0) + 1);
addEventListener("keydown", (event) => {
  const writing = event.target.matches?.("textarea") && event.key.length === 1;
  add(writing ? "letters" : /^[1-5]$/.test(event.key) && !event.target.matches?.("input") ? "scores" : "keys");
  sessionStorage.setItem("pressed", performance.timeOrigin + performance.now());
}, true);
addEventListener("click", (event) => event.detail && add("clicks"), true);
addEventListener("DOMContentLoaded", () =>
  document.querySelector("[data-viewer] img")?.decode().catch(() => {}).then(() => performance.mark("pictured")));
"""
USABLE = """() => {
  const [usable, pictured] = ["usable", "pictured"].map((name) => performance.getEntriesByName(name)[0]?.startTime);
  if (usable === undefined || pictured === undefined) return null;
  const pressed = Number(sessionStorage.getItem("pressed"));
  const since = performance.timeOrigin - pressed;
  return [since + usable, since + Math.max(usable, pictured)];
}"""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the platform is ended with it
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/annotating.jsonl"))
    given = parser.parse_args()
    with started() as (url, folder), sync_playwright() as playwright:
        password = prepare(url, folder, given.tasks)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found = measure(browser.new_context(viewport={"width": 1440, "height": 900}), url, password, given.rounds)
        found = {"benchmark": "annotating", "tasks": given.tasks, **found, **machine(browser.version)}
        browser.close()
    print(table(found))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")
    return 0


@contextmanager
def started() -> Iterator[tuple[str, Path]]:
    """`assay up` on an empty data folder: its address and the folder."""
    folder = Path(tempfile.mkdtemp(prefix="assay-annotating-", dir="/var/tmp"))
    folder.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--no-seed"],
            cwd=ROOT,
            env=told(folder) | {"ASSAY_PORT": str(port)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        while "Assay is at" not in log.read_text(errors="replace"):
            if process.poll() is not None:
                raise SystemExit(log.read_text(errors="replace")[-2000:])
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def told(folder: Path) -> dict[str, str]:
    outside = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL")
    return {k: v for k, v in os.environ.items() if k not in outside} | {"ASSAY_DATA": str(folder)}


def assay(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words], cwd=ROOT, env=told(folder), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"assay {' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


def prepare(url: str, folder: Path, tasks: int) -> str:
    """A project with so many tasks and one annotator, whose password comes back."""
    admin = assay(folder, "user", "add", "admin@example.org", "--admin").split()[1]
    with httpx.Client(base_url=url, headers={"origin": url}) as client:
        client.post("/sign-in", data={"email": "admin@example.org", "password": admin})
        client.post("/projects", data={"name": "Bench", "slug": "bench", "overlap": 1})
    password = assay(folder, "user", "add", "annie@example.org", "--project", "bench").split()[1]
    source = folder / "source"
    source.mkdir()
    write_samples(source, min(tasks, IMPORTED))
    file = str(source / "samples.jsonl")
    assay(folder, "import", file, "--project", "bench")
    multiply(folder, -(-tasks // IMPORTED))
    print(assay(folder, "import", file, "--project", "bench", "--cut").strip(), file=sys.stderr)
    return password


def multiply(folder: Path, times: int) -> None:
    """Copies of what was imported, inside the database: the queue's length is what matters here, not the import."""
    names = "project_id, external_id, prompt, domain, question_type, content_sha256, credit"
    copied = names.replace("_id, prompt", "_id || '-' || copy, prompt").replace("sha256", "sha256 || '-' || copy")
    parts = {
        "responses": "position, model, text",
        "media": "position, kind, blob_sha256, media_type, width, height, alt",
    }
    with borrowed(Settings(ASSAY_DATA=folder)) as env, sa.create_engine(env["DATABASE_URL"]).begin() as rows:
        rows.execute(
            sa.text(f"INSERT INTO samples ({names}) SELECT {copied} FROM samples, generate_series(2, {times}) AS copy")
        )
        for table, columns in parts.items():
            rows.execute(
                sa.text(
                    f"INSERT INTO {table} (sample_id, {columns}) SELECT new.id, {columns} FROM {table} "
                    "JOIN samples AS old ON old.id = sample_id "
                    "JOIN samples AS new ON split_part(new.external_id, '-', 1) = old.external_id AND new.id <> old.id"
                )
            )


def write_samples(folder: Path, count: int) -> None:
    """Lines of four responses of about sixty words; every line names one of a few pictures of two megapixels."""
    draw = np.random.default_rng(0)
    for number in range(PICTURES):
        coarse = draw.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC).save(
            folder / f"{number}.jpg", quality=85
        )
    with (folder / "samples.jsonl").open("w") as file:
        for number in range(count):
            replies = [{"model": f"model-{m}", "text": " ".join(draw.choice(SENTENCE.split(), 60))} for m in range(4)]
            line = {"id": number, "prompt": f"What happens in scene {number}?", "image": f"{number % PICTURES}.jpg"}
            file.write(json.dumps(line | {"question_type": "long", "responses": replies}) + "\n")


def measure(context: BrowserContext, url: str, password: str, rounds: int) -> dict[str, Any]:
    context.add_init_script(COUNT)
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.locator("[name=email]").fill("annie@example.org")
    page.locator("[name=password]").fill(password)
    page.locator("form[action='/sign-in'] button").click()
    page.wait_for_url(re.compile(r"^(?!.*/sign-in)"))
    page.goto(f"{url}/projects/bench/annotate")  # the site's first page of this kind: templates, bundles, renditions
    page.wait_for_load_state("networkidle")
    weight = weigh(context, page.url)
    page.evaluate("names => names.forEach((name) => sessionStorage.removeItem(name))", COUNTED)
    times = [annotate(page) for _ in range(rounds)]
    counts = {name: page.evaluate("name => Number(sessionStorage.getItem(name) ?? 0)", name) for name in COUNTED}
    keys, seen = (sorted(each) for each in zip(*times, strict=True))
    return {
        "rounds": rounds,
        **{f"{name} an annotation": count / rounds for name, count in counts.items()},
        "submit to keys taken, median ms": round(statistics.median(keys), 1),
        "submit to keys taken, p90 ms": round(keys[int(len(keys) * 0.9)], 1),
        "submit to picture too, median ms": round(statistics.median(seen), 1),
        "submit to picture too, p90 ms": round(seen[int(len(seen) * 0.9)], 1),
        **weight,
    }


def annotate(page: Page) -> tuple[float, float]:
    """One whole annotation by keys; milliseconds from the key that submits until the next page takes keys,
    and until its picture is decoded too."""
    before = page.url
    page.wait_for_load_state("load")
    page.wait_for_timeout(200)  # eyes come before fingers
    for score in "543254325432":
        page.keyboard.press(score)
    page.keyboard.press("n")
    for letter in "ABCD":
        page.keyboard.type(f"{REASON} {letter}")
        page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.type("ab c=d")
    page.keyboard.press("Enter")
    page.keyboard.type(REASON)
    page.wait_for_timeout(1500)  # a person is slower; the next page has time to come
    page.keyboard.press("Control+Enter")
    if page.locator("#odd[open]").count():  # far quicker than plausible: asked once
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    try:
        page.wait_for_url(lambda url: url != before)
    except TimeoutError as problem:
        said = page.locator("[data-notice]").inner_text()
        raise SystemExit(f"{before} was not left; the page says: {said!r}") from problem
    return usable(page)


def usable(page: Page) -> tuple[float, float]:
    """Wait for the next page's marks. It may still be on its way: what is asked of the one before is asked again."""
    for _ in range(1500):
        with suppress(Error):
            if (passed := page.evaluate(USABLE)) is not None:
                return passed[0], passed[1]
        page.wait_for_timeout(20)
    raise SystemExit(f"{page.url} never became usable")


def weigh(context: BrowserContext, address: str) -> dict[str, Any]:
    """What a browser with an empty cache fetches for the page, media apart, in bytes as they come by the wire."""
    assert context.browser
    fresh = context.browser.new_context(storage_state=context.storage_state())
    page = fresh.new_page()
    seen: list[Request] = []
    page.on("requestfinished", lambda request: seen.append(request))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    parts = {
        request.url.split("?")[0].rsplit("/", 1)[1]: size
        for request in seen
        if "/media/" not in request.url and (size := request.sizes()["responseBodySize"]) >= 0
    }
    fresh.close()
    return {"requests": len(parts), "page kB": round(sum(parts.values()) / 1000, 1), "parts": parts}


def machine(chromium: str) -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "chromium": chromium,
    }


def table(found: dict[str, Any]) -> str:
    budgets = {"scores an annotation": "12", "clicks an annotation": "0", "requests": "≤ 6", "page kB": "≤ 150"}
    budgets["submit to picture too, median ms"] = "≤ 300"
    lines = [f"{name:<36} {value!s:>12}  {budgets.get(name, '')}" for name, value in found.items() if name != "parts"]
    return "\n".join([*lines, *[f"  {name:<34} {size:>12,}" for name, size in found["parts"].items()]])


if __name__ == "__main__":
    sys.exit(main())
