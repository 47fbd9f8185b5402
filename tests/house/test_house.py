"""Rules of the house as tests: each failure says what to do."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for room in ("app", "worker", "ml") for path in (ROOT / room).rglob("*.py"))


def routes_of(router: object, before: str = "") -> Iterator[tuple[str, APIRoute]]:
    """Every route with its whole path, also those of included routers, which newer versions do not list flat."""
    for route in getattr(router, "routes", []):
        if isinstance(route, APIRoute):
            yield before + route.path, route
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            yield from routes_of(inner, before + getattr(getattr(route, "include_context", None), "prefix", ""))


def all_routes() -> list[tuple[str, APIRoute]]:
    from app.main import ROUTERS

    return [found for router in ROUTERS for found in routes_of(router)]


def calls_of(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from calls_of(inner)


def test_every_route_names_a_guard() -> None:
    from app.accounts.guard import GUARDS

    routes = all_routes()
    assert len(routes) > 20, "the walk found too few routes: it no longer follows included routers"
    bare = [
        f"{sorted(route.methods)} {path}" for path, route in routes if not set(calls_of(route.dependant)) & set(GUARDS)
    ]
    assert not bare, f"give these routes a guard from app.accounts.guard or app.projects.guard: {bare}"


def test_every_project_route_asks_for_a_seat() -> None:
    from app.accounts.guard import GUARDS, anyone, in_person, platform_admin, signed_in

    seats = set(GUARDS) - {anyone, signed_in, in_person, platform_admin}
    bare = [path for path, route in all_routes() if "{slug}" in path and not set(calls_of(route.dependant)) & seats]
    assert not bare, f"a page of a project needs a seat (app.projects.guard.needs): {bare}"


def test_only_the_edge_commits() -> None:
    edge = {ROOT / "app/core/db.py"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if path not in edge
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]
    assert not found, f"verbs never commit; wrap the edge in app.core.db.transaction() instead: {found}"


def test_the_site_leaves_torch_unloaded() -> None:
    code = "import sys, app.main; print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert answer.stdout.strip() == "[]", f"import training libraries in ml only: {answer.stdout}{answer.stderr[-500:]}"


@pytest.mark.parametrize("suffix", ["*.html", "*.js"])
def test_pages_carry_no_inline_script_or_style(suffix: str) -> None:
    """The content-security policy would drop them in the browser, silently."""
    folders = [ROOT / "templates"] if suffix == "*.html" else [ROOT / "static" / "js"]
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in folders
        for path in folder.rglob(suffix)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if any(mark in line for mark in (' style="', "<style", " onclick=", " onchange=", "javascript:", "eval("))
    ]
    assert not found, f"move style into static/css and behaviour into static/js: {found}"


def test_files_stay_short_enough_to_read() -> None:
    long = [
        f"{path.relative_to(ROOT)} ({len(path.read_text().splitlines())} lines)"
        for path in SOURCES
        if len(path.read_text().splitlines()) > (400 if "recipes" in path.parts else 300)
    ]
    assert not long, f"split these by subject: {long}"
