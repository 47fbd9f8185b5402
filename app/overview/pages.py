"""The first page of each role: what is here, and what to do now."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.accounts.guard import Anyone, PlatformAdmin, SignedIn
from app.core.db import Db, Session
from app.core.html import page
from app.core.language import gettext as _
from app.overview import health, metrics, queries
from app.projects.guard import Member, Seat
from app.projects.queries import projects_of

router = APIRouter()


class Primary(NamedTuple):
    """The one action that answers “what do I do now?”."""

    label: str
    href: str
    text: str


@router.get("/")
def home(request: Request, user: SignedIn, session: Db) -> Response:
    seats = [Seat(user, project, roles) for project, roles in projects_of(session, user)]
    return page(request, "overview/home.html", projects=[_card(session, seat) for seat in seats])


def _card(session: Session, seat: Seat) -> dict[str, Any]:
    counts = queries.counts(session, seat.project.id)
    primary = primary_action(session, seat, counts)
    return {
        "name": seat.project.name,
        "slug": seat.project.slug,
        "description": seat.project.description,
        "roles": sorted(seat.roles),
        "done": counts["done"],
        "total": counts["tasks"],
        "primary_label": primary.label,
        "primary_href": primary.href,
    }


@router.get("/projects/{slug}")
def project_page(request: Request, seat: Member, session: Db) -> Response:
    counts = queries.counts(session, seat.project.id)
    overseer = bool(seat.roles & {"admin", "reviewer", "researcher"})
    return page(
        request,
        "overview/project.html",
        counts=counts,
        primary=primary_action(session, seat, counts),
        activity=queries.activity(session, seat) if overseer else [],
        people=queries.people(session, seat.project.id) if overseer else [],
        mine=queries.own_progress(session, seat.user, seat.project.id),
    )


def primary_action(session: Session, seat: Seat, counts: dict[str, int]) -> Primary:
    """The most pressing work that this person's roles allow, looked for along the loop from its start."""
    at = f"/projects/{seat.project.slug}"
    if "admin" in seat.roles and not counts["samples"]:
        return Primary(
            _("Import samples"),
            f"{at}/samples/import",
            _("The project is empty: bring in images, questions and responses."),
        )
    if "admin" in seat.roles and not counts["tasks"]:
        return Primary(
            _("Cut tasks"), f"{at}/samples", _("The samples are here; cut tasks from them so that people can annotate.")
        )
    if "annotator" in seat.roles and counts["done"] < counts["tasks"] and "admin" not in seat.roles:
        if queries.may_practise_first(session, seat):
            return Primary(
                _("Practise first"),
                f"{at}/practice",
                _("Judge worked examples: each says at once what was expected. The queue comes after them."),
            )
        return Primary(
            _("Annotate"), f"{at}/annotate", _("Judge the next sample's responses. Your work is saved as you go.")
        )
    if "reviewer" in seat.roles and (waiting := queries.waiting_reviews(session, seat)):
        return Primary(_("Review"), f"{at}/reviews", _("%(waiting)s annotations wait for a verdict.", waiting=waiting))
    if "researcher" in seat.roles and not counts["datasets"]:
        return Primary(
            _("Freeze a dataset"), f"{at}/datasets", _("Turn the accepted annotations into preference pairs.")
        )
    if "researcher" in seat.roles:
        return Primary(
            _("Open runs"), f"{at}/runs", _("Train a reward model, score the pairs, align a policy, and watch.")
        )
    if "reviewer" in seat.roles:
        return Primary(_("Open quality"), f"{at}/quality", _("Nothing waits for a verdict. See how far people agree."))
    return Primary(
        _("My annotations"), f"{at}/annotations/mine", _("No task is open right now. Look over what you have done.")
    )


@router.get("/style-guide")
def style_guide(request: Request, user: PlatformAdmin) -> Response:
    return page(request, "ui/guide.html")


@router.get("/healthz", dependencies=[Anyone])
def alive() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "alive"})


@router.get("/metrics", dependencies=[Anyone, Depends(metrics.may_scrape)])
def measured() -> Response:
    """Prometheus' text format, for the operator's own server."""
    return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})


@router.get("/readyz", dependencies=[Anyone])
def ready() -> JSONResponse:
    """Database, its schema, broker and storage can be used: each by name, 503 if one cannot."""
    parts = health.parts()
    return JSONResponse(parts, 200 if all(state == "ok" for state in parts.values()) else 503)
