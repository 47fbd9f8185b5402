"""The map of samples with very many points: how soon it is there, and how smoothly it is moved and zoomed.

    python -m benchmarks.map_frames [--points 50000 200000 500000] [--out benchmarks/results/map_frames.jsonl]

Starts a platform on a folder of its own, puts so many samples on the map of a project in a hundred clusters, opens it
in a headless Chromium and drags and zooms for a while. Prints how long the points took to come and be drawn, how many
bytes they were, how many frames were drawn and how long each took, and how long a part of the map took to count in the
page and in the database. Chromium draws by software here (SwiftShader), on the processor that also serves.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from app.accounts.guard import COOKIE
from benchmarks.annotating import FLAGS, started
from benchmarks.measuring import machine, note
from benchmarks.panning import WATCH
from benchmarks.serving import Platform, reach

DRAWING = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
POINTS = """
INSERT INTO memberships (project_id, user_id, role)
  SELECT p.id, u.id, 'admin' FROM projects p, users u WHERE p.slug = 'mapped' AND u.email LIKE 'p%@example.org'
  ON CONFLICT DO NOTHING;
INSERT INTO samples
  (project_id, external_id, prompt, domain, question_type, content_sha256, credit, cluster, map_x, map_y)
  SELECT p.id, 'm' || n, 'Scene ' || n, 'image', (ARRAY['long', 'short', 'mcq'])[1 + n % 3], 'm' || n, '',
    lpad((n % 100)::text, 2, '0'),
    greatest(-1, least(1, cos(n % 100) * (0.2 + (n % 100) / 130.0) + (random() + random() - 1) * 0.08)),
    greatest(-1, least(1, sin(n % 100) * (0.2 + (n % 100) / 130.0) + (random() + random() - 1) * 0.08))
  FROM projects p, generate_series(CAST(:first AS integer), CAST(:last AS integer)) n WHERE p.slug = 'mapped';
SELECT count(*) FROM samples WHERE map_x IS NOT NULL
"""
LEFT = "-1.5000,-1.5000 0.0000,-1.5000 0.0000,1.5000 -1.5000,1.5000"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[50_000, 200_000, 500_000])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/map_frames.jsonl"))
    given = parser.parse_args()
    with started() as (url, folder), sync_playwright() as playwright:
        platform = reach(url, folder)
        [secret] = platform.people(1)
        platform.queue("mapped", 1)
        flags = [flag for flag in FLAGS if flag != "--disable-gpu"] + DRAWING
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": COOKIE, "value": secret, "url": url}])
        there = 0
        for many in sorted(given.points):
            platform.rows(POINTS, first=there + 1, last=many)
            there = many
            found = {"benchmark": "map_frames", "points": many, **measure(context.new_page(), url, platform)}
            print("\n".join(f"{name:<32} {value!s:>16}" for name, value in found.items()), flush=True)
            note(given.out, {**found, **machine(), "browser": browser.version})
        browser.close()
    return 0


def measure(page: Page, url: str, platform: Platform) -> dict[str, Any]:
    sizes: list[int] = []
    page.on(
        "requestfinished", lambda each: "/map/points" in each.url and sizes.append(each.sizes()["responseBodySize"])
    )
    begun = time.monotonic()
    page.goto(f"{url}/projects/mapped/map")
    ground = page.locator("#map-ground[data-ready=true]")
    ground.wait_for(timeout=300_000)
    seen = time.monotonic() - begun
    box = ground.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate(WATCH)
    move(page, *middle)
    frames = sorted(page.evaluate("window.frames"))
    page.click("#map-whole")
    begun = time.monotonic()
    page.click("#map-sight")
    page.locator("#map-count").wait_for()
    counted = time.monotonic() - begun
    begun = time.monotonic()
    inside = "SELECT count(*) FROM samples WHERE CAST(:area AS polygon) @> point(map_x, map_y)"
    corners = "(" + ",".join(f"({corner})" for corner in LEFT.split()) + ")"
    many = platform.rows(inside, area=corners)[0][0]
    asked = time.monotonic() - begun
    page.close()
    return {
        "there after, s": round(seen, 2),
        "points, MB": round(sum(sizes) / 1e6, 1),
        "frames": len(frames),
        "frame, median ms": round(statistics.median(frames), 1),
        "frame, p95 ms": round(frames[int(len(frames) * 0.95)], 1),
        "counted in the page, ms": round(1000 * counted),
        "counted by the database, ms": round(1000 * asked),
        "inside": many,
    }


def move(page: Page, x: float, y: float) -> None:
    """Closer and back, and strokes in between."""
    for turn in range(4):
        page.mouse.move(x, y)
        for _step in range(6):
            page.mouse.wheel(0, -120 if turn % 2 == 0 else 120)
        page.mouse.down()
        for step in range(20):
            page.mouse.move(x + step * 8, y + step * 4)
        page.mouse.up()


if __name__ == "__main__":
    sys.exit(main())
