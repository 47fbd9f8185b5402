"""The site: every room's routes behind one shield."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Scope
from starlette_compress import CompressMiddleware

from app.core import bundles, logs, telemetry
from app.core.html import ROOT, install_error_pages
from app.core.metrics import Measured
from app.core.tracing import NamedRequests
from app.core.web import Shield

ROOMS = ("accounts", "projects", "samples", "tasks", "annotations", "quality", "datasets", "runs", "overview")


class KeptFiles(StaticFiles):
    """Static files. Those asked for by an address that changes with their content (`?v=`) are kept for ever;
    others, such as modules that modules import, are asked for again and answered with 304."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        name = path.removeprefix("bundle/")
        if name != path and name in bundles.BUNDLES:
            answer = Response(bundles.text(name), headers={"content-type": bundles.TYPES[Path(name).suffix]})
        else:
            answer = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=")
        answer.headers["cache-control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        return answer


class Refused(BaseModel):
    """What a refusal says as JSON: its name, one sentence, the field or file that it is about, and advice."""

    error: str
    message: str
    where: str
    advice: str


DONE = {201: "Made", 204: "Done", 206: "A part of it", 303: "Done; Location names the page", 304: "As you know it"}
REFUSED = {
    400: "The request cannot be read",
    401: "Sign in first",
    403: "You may not",
    404: "There is nothing that you may see",
    409: "It does not fit with what is there by now",
    413: "Larger than this address takes",
    422: "A field is out of its bounds",
    429: "Too often",
    502: "Another server does not answer",
    503: "Not ready, or the database is away",
    507: "The disk is full",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    **{status: {"description": what} for status, what in DONE.items()},
    **{status: {"description": what, "model": Refused} for status, what in REFUSED.items()},
}
"""What any address may answer besides 200."""


def _routers() -> list[APIRouter]:
    """Each room's API and pages, where it has them; routes are tried in this order, and the APIs are asked most."""
    shelves = [f"app.{room}.{shelf}" for shelf in ("api", "pages") for room in ROOMS]
    return [importlib.import_module(shelf).router for shelf in shelves if find_spec(shelf)]


ROUTERS = _routers()


def build() -> FastAPI:
    site = FastAPI(
        title="Assay",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        responses=ANSWERS,
        telemetry=telemetry.of_requests(),
    )
    site.add_middleware(Shield)
    site.add_middleware(CompressMiddleware)
    site.add_middleware(Measured)
    site.add_middleware(NamedRequests)  # the outermost: refusals and faults carry the id too
    install_error_pages(site)
    for router in ROUTERS:
        site.include_router(router)
    site.mount("/static", KeptFiles(directory=ROOT / "static", check_dir=False), name="static")
    return site


logs.configure("web")
telemetry.begin("web")
app = build()
