"""A seat in a project: a stranger gets 404, a member without the role 403."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request

from app.accounts.guard import GUARDS, signed_in
from app.accounts.tables import User
from app.core.db import Db
from app.core.errors import Forbidden, NotFound
from app.core.language import gettext as _
from app.projects import queries
from app.projects.rubric import Rubric
from app.projects.tables import ROLES, Project


@dataclass(frozen=True)
class Seat:
    """Who is asking, in which project, with which roles."""

    user: User
    project: Project
    roles: frozenset[str]

    @cached_property
    def rubric(self) -> Rubric:
        return Rubric.model_validate(self.project.rubric)


class MissingRole(Forbidden):
    """A member of the project whose roles do not include the needed one."""


def needs(*wanted: str) -> Callable[..., Seat]:
    """A guard that lets in members who play at least one of the wanted roles."""

    def guard(slug: str, request: Request, session: Db) -> Seat:
        user = signed_in(request, session)  # called, not depended on: each dependency costs a change of thread
        project, roles = queries.project_and_roles(session, user, slug) or (None, frozenset())
        if project is None or not roles:
            raise NotFound()
        request.state.project, request.state.roles = project, roles
        if not roles & set(wanted):
            raise MissingRole(
                _(
                    "This needs the role %(wanted)s in %(name)s; yours: %(roles)s.",
                    wanted=" or ".join(wanted),
                    name=project.name,
                    roles=", ".join(sorted(roles)),
                ),
                advice=_("An admin of the project can give it to you under Settings."),
            )
        return Seat(user, project, roles)

    GUARDS.append(guard)
    return guard


Member = Annotated[Seat, Depends(needs(*ROLES))]
Annotator = Annotated[Seat, Depends(needs("annotator"))]
Reviewer = Annotated[Seat, Depends(needs("reviewer"))]
Researcher = Annotated[Seat, Depends(needs("researcher"))]
Admin = Annotated[Seat, Depends(needs("admin"))]
Overseer = Annotated[Seat, Depends(needs("admin", "reviewer", "researcher"))]
"""Those who may look at everybody's annotations, but not necessarily change them."""
