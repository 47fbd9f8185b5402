"""Every select of the projects room; reads start from the user."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.accounts.tables import User
from app.core.db import Session
from app.projects.tables import ROLES, Membership, Project


def project_and_roles(session: Session, user: User, slug: str) -> tuple[Project, frozenset[str]] | None:
    """A project and the roles that a user plays in it, in one statement; None where there is no such project."""
    row = session.execute(_project_and_roles(), {"slug": slug, "user": user.id}).one_or_none()
    return None if row is None else (row[0], _roles(user, row[1] or ()))


@cache  # asked at each request: building the statement costs more than running it
def _project_and_roles() -> sa.Select[Project, list[str] | None]:
    held = sa.select(sa.func.array_agg(Membership.role)).where(
        Membership.project_id == Project.id, Membership.user_id == sa.bindparam("user")
    )
    return sa.select(Project, held.scalar_subquery()).where(Project.slug == sa.bindparam("slug"))


def _roles(user: User, held: Iterable[str]) -> frozenset[str]:
    found = frozenset(held)
    return frozenset(ROLES) if user.is_admin or "admin" in found else found


def roles_of(session: Session, user: User, project: Project) -> frozenset[str]:
    """The roles that a user plays in a project; an admin plays all of them."""
    mine = sa.select(Membership.role).where(Membership.project_id == project.id, Membership.user_id == user.id)
    return _roles(user, session.scalars(mine))


def project_by_slug(session: Session, slug: str) -> Project | None:
    return session.scalar(sa.select(Project).where(Project.slug == slug))


def projects_of(session: Session, user: User) -> list[tuple[Project, frozenset[str]]]:
    """Every project that the user may open, with their roles in it."""
    projects = session.scalars(sa.select(Project).order_by(Project.name)).all()
    seats = [(project, roles_of(session, user, project)) for project in projects]
    return [(project, roles) for project, roles in seats if roles]


def plays_elsewhere(session: Session, user: User, author: User) -> bool:
    """Whether the user plays a role in a project that the author does not administer."""
    administered = sa.select(Membership.project_id).where(Membership.user_id == author.id, Membership.role == "admin")
    query = sa.select(Membership.id).where(
        Membership.user_id == user.id, Membership.project_id.not_in(administered.scalar_subquery())
    )
    return session.scalar(query.limit(1)) is not None


def people(session: Session, project_id: int) -> list[Membership]:
    """Every role that anybody plays in the project, by name."""
    return list(
        session.scalars(
            sa.select(Membership)
            .options(joinedload(Membership.user))
            .join(User)
            .where(Membership.project_id == project_id)
            .order_by(User.name, Membership.role)
        )
    )
