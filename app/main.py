"""The site: every room's routes behind one shield."""

from __future__ import annotations

import importlib

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from app.accounts.pages import router as accounts
from app.core.html import ROOT, install_error_pages
from app.core.web import Shield
from starlette.responses import Response


class KeptFiles(StaticFiles):
    """Static files whose addresses change with their content, so that browsers keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


ROOMS = ["accounts", "projects", "samples", "tasks", "annotations", "quality", "datasets", "runs", "overview"]


def build() -> FastAPI:
    site = FastAPI(title="Assay", version="0.1.0", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    site.add_middleware(Shield)
    install_error_pages(site)
    for room in ROOMS:
        for shelf in ("pages", "api"):
            try:
                site.include_router(importlib.import_module(f"app.{room}.{shelf}").router)
            except ModuleNotFoundError as problem:
                if problem.name != f"app.{room}.{shelf}":
                    raise
    site.mount("/static", KeptFiles(directory=ROOT / "static", check_dir=False), name="static")
    return site


app = build()
