"""The platform really started, as `make run` starts it, and a real browser in front of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.patience import patient

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Platform:
    """A running platform: where it is and how its people sign in."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]

    @property
    def passwords(self) -> dict[str, str]:
        lines = (self.data / "passwords.txt").read_text().splitlines()
        return dict(line.split() for line in lines if line and not line.startswith("#"))

    @property
    def log(self) -> str:
        return (self.data / "up.log").read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(data: Path) -> Iterator[Platform]:
    """`assay up` on a data folder, until its address is printed; ended by SIGTERM."""
    port = free_port()
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "BASE_MODEL")
    }
    environment = {**inherited, "ASSAY_DATA": str(data), "ASSAY_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    with (data / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    platform = Platform(f"http://127.0.0.1:{port}", data, process)
    try:
        _wait(lambda: "Assay is at" in platform.log, platform)
        yield platform
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(ready: Callable[[], bool], platform: Platform, patience: float = 180) -> None:
    deadline = time.monotonic() + patience
    while not ready():
        if platform.process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the platform did not start:\n{platform.log[-3000:]}")
        time.sleep(0.2)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    folder = Path(tempfile.mkdtemp(prefix="assay-flow-", dir="/var/tmp"))
    folder.chmod(0o755)
    with started(folder) as platform:
        yield platform
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def enter(platform: Platform, browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Sign a person in, in a browser of their own: `enter("ana")`; with "", nobody is signed in."""
    contexts = []

    def enter(name: str) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=platform.url)
        contexts.append(context)
        page = patient(context.new_page())
        if not name:
            return page
        email = f"{name}@example.org"
        page.goto("/sign-in")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password", exact=True).fill(platform.passwords[email])
        page.get_by_role("button", name="Sign in").click()
        expect(page).not_to_have_url(f"{platform.url}/sign-in")
        return page

    yield enter
    for context in contexts:
        context.close()
