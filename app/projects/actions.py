"""Projects' verbs: create, change settings, give and take roles."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import ValidationError

from app.accounts import letters
from app.accounts import queries as accounts
from app.accounts.actions import add_invited, audit
from app.accounts.tables import User
from app.core.db import Session
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.faults import first
from app.core.language import gettext as _
from app.projects import guidance, queries
from app.projects.rubric import DEFAULT, Rubric
from app.projects.tables import ROLES, Membership, Project


class SlugTaken(Conflict):
    """Another project lives at this address."""


class BadSetting(Invalid):
    """A setting outside its bounds."""


class NotYours(Forbidden):
    """A link for somebody's password opens all that they may do: whoever makes it must administer all of that."""


@dataclass(frozen=True)
class RubricWords:
    """The rubric as a form sends it: one name, guidance and examples a key, five levels and five anchors a key."""

    keys: list[str]
    names: list[str]
    guidance: list[str]
    levels: list[str]
    anchors: list[str]
    examples: list[str]


class LastAdmin(Conflict):
    """A project must keep one person who can change it."""


def create(
    session: Session, author: User, name: str, slug: str = "", rubric: Rubric = DEFAULT, overlap: int = 1
) -> Project:
    """A new project with its author as admin. Raises BadSetting, SlugTaken."""
    slug = slug or re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:62]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", slug):
        raise BadSetting(_("An address needs letters, digits and hyphens."), "slug")
    if queries.project_by_slug(session, slug):
        raise SlugTaken(_("There is a project at “%(slug)s” already.", slug=slug), "slug")
    project = Project(slug=slug, name=name.strip() or slug, rubric=rubric.model_dump())
    session.add(project)
    change_settings(session, author, project, project.name, "", "", overlap, 60)
    give_role(session, author, project, author.email, "admin")
    return project


def change_settings(
    session: Session,
    author: User,
    project: Project,
    name: str,
    description: str,
    guidelines: str,
    overlap: int,
    lease_minutes: int,
) -> None:
    """Raises BadSetting for an overlap outside 1–20, a lease outside 1–1440 minutes, or an empty name."""
    if not 1 <= overlap <= 20:
        raise BadSetting(
            _("Overlap is how many people judge a sample: 1 to 20, not %(overlap)s.", overlap=overlap), "overlap"
        )
    if not 1 <= lease_minutes <= 1440:
        raise BadSetting(
            _("A lease lasts 1 to 1440 minutes, not %(lease_minutes)s.", lease_minutes=lease_minutes), "lease_minutes"
        )
    if not name.strip():
        raise BadSetting(_("A project needs a name."), "name")
    project.name, project.description = name.strip(), description
    guidelines = guidelines.replace("\r\n", "\n")
    guidance.replace(session, author, project, guidelines, Rubric.model_validate(project.rubric))
    project.overlap, project.lease_minutes = overlap, lease_minutes
    session.flush()
    audit(
        session,
        author,
        "project.settings",
        f"project {project.id}",
        project.id,
        overlap=overlap,
        lease_minutes=lease_minutes,
    )


def give_role(session: Session, author: User, project: Project, email: str, role: str) -> Membership:
    """Let a user play a role; twice is harmless. Raises BadSetting, NotFound."""
    if role not in ROLES:
        raise BadSetting(
            _("“%(role)s” is no role; the roles are %(roles)s.", role=role, roles=", ".join(ROLES)), "role"
        )
    user = accounts.user_by_email(session, email.strip().lower())
    if user is None:
        raise NotFound(_("Nobody with the address %(email)s has an account here.", email=email[:80]), "email")
    held = session.scalar(sa.select(Membership).filter_by(project_id=project.id, user_id=user.id, role=role))
    if held is None:
        held = Membership(project_id=project.id, user_id=user.id, role=role)
        session.add(held)
        session.flush()
        audit(session, author, "role.given", f"user {user.id}", project.id, role=role)
    return held


def take_role(session: Session, author: User, project: Project, membership_id: int) -> None:
    """Raises NotFound, LastAdmin."""
    held = session.scalar(sa.select(Membership).filter_by(project_id=project.id, id=membership_id))
    if held is None:
        raise NotFound()
    if held.role == "admin" and _count_admins(session, project) == 1:
        raise LastAdmin(_("This is the project's last admin."), "role", _("Give someone else the role first."))
    session.delete(held)
    audit(session, author, "role.taken", f"user {held.user_id}", project.id, role=held.role)


def _count_admins(session: Session, project: Project) -> int:
    return (
        session.scalar(
            sa.select(sa.func.count()).where(Membership.project_id == project.id, Membership.role == "admin")
        )
        or 0
    )


@dataclass(frozen=True)
class Invited:
    """Someone who now plays a role; `link` is set only for an account that was just made, and shown once."""

    user: User
    role: str
    link: str | None


def invite(session: Session, author: User, project: Project, email: str, name: str, role: str) -> Invited:
    """Give a role to whoever has this address, making the account if nobody has. Raises BadEmail, BadSetting."""
    email, link = email.strip().lower(), None
    if accounts.user_by_email(session, email) is None:
        link = letters.invite(session, add_invited(session, email, name), author)
    held = give_role(session, author, project, email, role)
    user = session.get_one(User, held.user_id)
    return Invited(user, role, link)


def make_password_link(session: Session, author: User, project: Project, membership_id: int) -> tuple[User, str]:
    """A member and the path of a link through which they choose a password. Raises NotFound, NotYours."""
    held = session.scalar(sa.select(Membership).filter_by(project_id=project.id, id=membership_id))
    if held is None:
        raise NotFound()
    if not author.is_admin and (
        held.user.is_admin
        or queries.plays_elsewhere(session, held.user, author)
        or (held.user.password_hash and not accounts.was_invited_by(session, held.user, author))
    ):
        raise NotYours(
            _("%(name)s has rights that you do not administer.", name=held.user.name),
            "user",
            _("An admin of the platform can do it."),
        )
    make = letters.reset if held.user.password_hash else letters.invite
    return held.user, make(session, held.user, author)


def change_rubric(session: Session, author: User, project: Project, words: RubricWords) -> None:
    """New words for the criteria. Their keys stay: scores that exist are filed under them. Raises BadSetting."""
    current = Rubric.model_validate(project.rubric)
    count = len(current.keys)
    fives = (words.levels, words.anchors)
    ones = (words.names, words.guidance, words.examples)
    if words.keys != current.keys or any(len(w) != count for w in ones) or any(len(w) != 5 * count for w in fives):
        raise BadSetting(_("The form does not fit the project's criteria; load the page again."), "rubric")
    for i, key in enumerate(words.keys):
        _refuse_unnamed(key, words.names[i], words.levels[5 * i : 5 * i + 5])
    rows = [
        {
            "key": key,
            "name": words.names[i],
            "guidance": words.guidance[i],
            "levels": words.levels[5 * i : 5 * i + 5],
            "anchors": words.anchors[5 * i : 5 * i + 5],
            "examples": words.examples[i].replace("\r\n", "\n"),
        }
        for i, key in enumerate(words.keys)
    ]
    try:
        guidance.replace(session, author, project, project.guidelines, Rubric.model_validate({"criteria": rows}))
    except ValidationError as problem:
        raise BadSetting(first(problem)[1], "rubric") from None
    audit(session, author, "project.rubric", f"project {project.id}", project.id)


def _refuse_unnamed(key: str, name: str, levels: list[str]) -> None:
    if not name.strip():
        raise BadSetting(_("The criterion “%(key)s” needs a name.", key=key), f"{key}.name")
    for score, level in enumerate(levels, 1):
        if not level.strip():
            raise BadSetting(
                _("Level %(score)s of %(strip)s needs a name.", score=score, strip=name.strip()), f"{key}.level.{score}"
            )
