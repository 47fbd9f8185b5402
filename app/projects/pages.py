"""A project's settings, rubric and people; a new project."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from app.accounts.guard import PlatformAdmin
from app.accounts.queries import recent_changes
from app.accounts.tables import User
from app.core.db import Db
from app.core.html import page, redirect
from app.projects import actions, queries
from app.projects import guidance as versions
from app.projects.guard import Admin, Member, Seat
from app.projects.tables import ROLES

router = APIRouter()
Line = Annotated[str, Form(max_length=200)]
Text = Annotated[str, Form(max_length=100_000)]


@router.get("/projects/new")
def new_project_page(request: Request, user: PlatformAdmin) -> Response:
    return page(request, "projects/new.html")


@router.post("/projects")
def create_project(
    session: Db, user: PlatformAdmin, name: Line, slug: Line = "", overlap: Annotated[int, Form()] = 1
) -> Response:
    project = actions.create(session, user, name, slug, overlap=overlap)
    return redirect(f"/projects/{project.slug}")


@router.get("/projects/{slug}/guidelines")
def guidelines(request: Request, session: Db, seat: Member) -> Response:
    return page(
        request,
        "projects/guidelines.html",
        rubric=seat.rubric,
        number=versions.version(session, seat.project),
        earlier=versions.earlier(session, seat.project),
    )


@router.get("/projects/{slug}/guidelines/{number}")
def earlier_guidelines(request: Request, session: Db, seat: Member, number: int) -> Response:
    """What changed after this version, up to now."""
    return page(
        request,
        "projects/earlier_guidelines.html",
        number=number,
        now=versions.version(session, seat.project),
        changes=versions.since(session, seat.project, number),
    )


@router.post("/projects/{slug}/guidelines/{number}/readings")
def note_reading(session: Db, seat: Member, number: int) -> Response:
    versions.note_reading(session, seat, number)
    return Response(status_code=204)


@router.get("/projects/{slug}/settings")
def settings_page(request: Request, seat: Admin, session: Db) -> Response:
    return page(
        request,
        "projects/settings.html",
        members=queries.people(session, seat.project.id),
        changes=recent_changes(session, seat.project.id),
        rubric=seat.rubric,
        all_roles=ROLES,
    )


@router.post("/projects/{slug}/settings")
def change_settings(
    session: Db,
    seat: Admin,
    name: Line,
    overlap: Annotated[int, Form()],
    lease_minutes: Annotated[int, Form()],
    description: Annotated[str, Form(max_length=2000)] = "",
    guidelines: Text = "",
) -> Response:
    actions.change_settings(session, seat.user, seat.project, name, description, guidelines, overlap, lease_minutes)
    return redirect(f"/projects/{seat.project.slug}/settings")


@router.post("/projects/{slug}/rubric")
def change_rubric(
    session: Db,
    seat: Admin,
    key: Annotated[list[str], Form()],
    name: Annotated[list[str], Form()],
    guidance: Annotated[list[str], Form()],
    level: Annotated[list[str], Form()],
    anchor: Annotated[list[str], Form()],
    examples: Annotated[list[str], Form()],
) -> Response:
    """Five levels and five anchors a criterion, in the order of the criteria."""
    words = actions.RubricWords(key, name, guidance, level, anchor, examples)
    actions.change_rubric(session, seat.user, seat.project, words)
    return redirect(f"/projects/{seat.project.slug}/settings#rubric")


@router.post("/projects/{slug}/people")
def add_person(request: Request, session: Db, seat: Admin, email: Line, role: Line, name: Line = "") -> Response:
    invited = actions.invite(session, seat.user, seat.project, email, name, role)
    if invited.link is None:
        return redirect(_people(seat))
    return _link(request, seat, invited.user, invited.link)


@router.post("/projects/{slug}/people/{membership_id}/password-link")
def make_password_link(request: Request, session: Db, seat: Admin, membership_id: int) -> Response:
    user, link = actions.make_password_link(session, seat.user, seat.project, membership_id)
    return _link(request, seat, user, link)


def _link(request: Request, seat: Seat, user: User, path: str) -> Response:
    """The link, shown once to whoever made it."""
    address = str(request.base_url).rstrip("/") + path
    return page(request, "accounts/link.html", 201, person=user, link=address, back=_people(seat))


def _people(seat: Seat) -> str:
    return f"/projects/{seat.project.slug}/settings#people"


@router.post("/projects/{slug}/people/{membership_id}/removal")
def remove_person(session: Db, seat: Admin, membership_id: int) -> Response:
    actions.take_role(session, seat.user, seat.project, membership_id)
    return redirect(_people(seat))
