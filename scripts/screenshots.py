"""Take the README's screenshots from a running demonstration, which `make run` starts."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# name → who looks, and where; {run} is the newest finished run of the recipe
PAGES = {
    "home": ("admin", "/"),
    "project": ("admin", "/projects/demo"),
    "annotate": ("ana", "/projects/demo/annotate"),
    "mine": ("ana", "/projects/demo/annotations/mine"),
    "reviews": ("rosa", "/projects/demo/reviews"),
    "quality": ("admin", "/projects/demo/quality"),
    "samples": ("admin", "/projects/demo/samples"),
    "settings": ("admin", "/projects/demo/settings"),
    "people": ("admin", "/people"),
    "audit": ("admin", "/audit"),
    "account": ("admin", "/account"),
    "datasets": ("rui", "/projects/demo/datasets"),
    "dataset": ("rui", "/projects/demo/datasets/1"),
    "runs": ("rui", "/projects/demo/runs"),
    "new-run": ("rui", "/projects/demo/runs/new?recipe=mm_dpo"),
    "run-expand": ("rui", "/projects/demo/runs/1"),
    "run-reward": ("rui", "/projects/demo/runs/2"),
    "run-score": ("rui", "/projects/demo/runs/3"),
    "run-mm-dpo": ("rui", "/projects/demo/runs/4"),
    "run-evaluate": ("rui", "/projects/demo/runs/5"),
    "clusters": ("admin", "/projects/demo/clusters"),
    "map": ("admin", "/projects/demo/map"),
    "sampling": ("admin", "/projects/demo/samplings/new"),
    "comparison": ("rui", "/projects/demo/runs/comparison?ids=2,4"),
    "checkpoints": ("rui", "/projects/demo/runs/checkpoints"),
    "playground": ("rui", "/projects/demo/runs/playground"),
    "workers": ("rui", "/projects/demo/runs/workers"),
}


def sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/sign-in")
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill(password)
    page.locator("form[action='/sign-in'] button").click()
    page.wait_for_url(re.compile(r"^(?!.*/sign-in)"))


def judge(page: Page) -> None:
    """Half of the work, as a person at it would see it: the scores, the first reason and the ranking."""
    for score in "534242325545":
        page.keyboard.press(score)
    page.locator("[data-reason]").first.fill("Right about the ground, and says why.")
    page.locator("[data-typed]").fill("A D B=C")
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(1500)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--to", type=Path, default=Path("docs/images"))
    parser.add_argument("--size", default="1440x900")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument(
        "--only", default="annotate,reviews,quality,dataset,clusters,map,run-mm-dpo,run-evaluate", help="names, or all"
    )
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    lines = (args.data / "passwords.txt").read_text().splitlines()
    passwords = dict(line.split() for line in lines if line and not line.startswith("#"))
    width, height = map(int, args.size.split("x"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for who in {who for who, _ in PAGES.values()}:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                base_url=args.url,
                color_scheme="dark" if args.dark else "light",
            )
            page = context.new_page()
            page.on("console", lambda message: print(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda problem: print("page error:", problem))
            sign_in(page, f"{who}@example.org", passwords[f"{who}@example.org"])
            for name, (whose, path) in PAGES.items():
                if whose == who and (args.only == "all" or name in args.only.split(",")):
                    answer = page.goto(path)
                    page.wait_for_timeout(700)
                    if name == "annotate":
                        judge(page)
                    page.screenshot(path=args.to / f"{name}.png")
                    print(answer.status if answer else "?", name, page.url)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
