"""A picture of 10,000 × 8,000 pixels in the annotate page: how soon it is seen, and how smoothly it is panned at 100 %.

    python -m benchmarks.panning [--width 10000] [--height 8000] [--out benchmarks/results/panning.jsonl]

Starts a platform on a folder of its own, imports one sample with such a JPEG, waits until its tiles are cut, and drags
the picture at 100 % for a while in a headless Chromium that draws in software. Prints how many frames were drawn, how
long they took, how often the page was busy for more than 50 ms, and what was fetched: tiles, never the whole file.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.annotating import FLAGS, assay, machine, started

MOVES = 120
WATCH = """() => {
  window.busy = [];
  new PerformanceObserver((list) => window.busy.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: "longtask" });
  window.frames = [];
  let last = performance.now();
  const frame = (now) => (window.frames.push(now - last), (last = now), requestAnimationFrame(frame));
  requestAnimationFrame(frame);
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=10_000)
    parser.add_argument("--height", type=int, default=8_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/panning.jsonl"))
    given = parser.parse_args()
    with started() as (url, folder), sync_playwright() as playwright:
        password = prepare(url, folder, given.width, given.height)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        size = f"{given.width} × {given.height}"
        found = {"benchmark": "panning", "picture": size, **measure(page, url, password), **machine(browser.version)}
        browser.close()
    print("\n".join(f"{name:<32} {value!s:>16}" for name, value in found.items()))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")
    return 0


def prepare(url: str, folder: Path, width: int, height: int) -> str:
    """A project with one sample of such a picture and one annotator, whose password comes back."""
    admin = assay(folder, "user", "add", "admin@example.org", "--admin").split()[1]
    with httpx.Client(base_url=url, headers={"origin": url}) as client:
        client.post("/sign-in", data={"email": "admin@example.org", "password": admin})
        client.post("/projects", data={"name": "Bench", "slug": "bench", "overlap": 1})
    source = folder / "source"
    source.mkdir()
    coarse = np.random.default_rng(0).integers(0, 255, (height // 40, width // 40, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(source / "large.jpg", quality=85)
    replies = [{"model": f"m{number}", "text": f"Reply {number}"} for number in range(4)]
    line = {"id": 1, "prompt": "What is shown?", "image": "large.jpg", "responses": replies}
    (source / "samples.jsonl").write_text(json.dumps(line) + "\n")
    assay(folder, "import", str(source / "samples.jsonl"), "--project", "bench", "--cut")
    return assay(folder, "user", "add", "annie@example.org", "--project", "bench").split()[1]


def measure(page: Page, url: str, password: str) -> dict[str, Any]:
    page.goto(f"{url}/sign-in")
    page.locator("[name=email]").fill("annie@example.org")
    page.locator("[name=password]").fill(password)
    page.locator("form[action='/sign-in'] button").click()
    page.wait_for_url(re.compile(r"^(?!.*/sign-in)"))
    page.goto(f"{url}/projects/bench/annotate")
    page.locator("[data-picture][src]").wait_for(timeout=300_000)  # the worker cuts tiles meanwhile
    fetched: list[tuple[str, int]] = []
    page.on(
        "requestfinished",
        lambda request: "/media/" in request.url and fetched.append((request.url, request.sizes()["responseBodySize"])),
    )
    page.reload()
    seen = page.evaluate(
        """async () => {
          await document.querySelector("[data-picture]").decode();
          return performance.now();
        }"""
    )
    page.keyboard.press("9")
    page.locator(".tiles img").first.wait_for()
    page.wait_for_timeout(1000)
    box = page.locator("[data-glass]").bounding_box()
    assert box
    page.evaluate(WATCH)
    drag(page, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    frames, busy = sorted(page.evaluate("window.frames")), page.evaluate("window.busy")
    whole = [address for address, _size in fetched if re.search(r"/media/\d+$", address)]
    return {
        "seen after, ms": round(seen),
        "frames": len(frames),
        "frame, median ms": round(statistics.median(frames), 1),
        "frame, p95 ms": round(frames[int(len(frames) * 0.95)], 1),
        "busy over 50 ms, times": len(busy),
        "tiles fetched": sum("/tiles/" in address for address, _size in fetched),
        "fetched, kB": round(sum(size for _address, size in fetched) / 1000),
        "whole file fetched": bool(whole),
    }


def drag(page: Page, x: float, y: float) -> None:
    """Several strokes to the left and up, so that new parts of the picture come into sight all the time."""
    for stroke in range(4):
        page.mouse.move(x + 150, y + 100)
        page.mouse.down()
        for step in range(MOVES // 4):
            page.mouse.move(x + 150 - step * 10, y + 100 - step * 6 * (stroke % 2))
        page.mouse.up()


if __name__ == "__main__":
    sys.exit(main())
