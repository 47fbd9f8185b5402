"""The people, projects and samples that tests tell their stories about."""

from __future__ import annotations

import io
from functools import cache

from PIL import Image
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions as accounts
from app.accounts.guard import COOKIE
from app.accounts.tables import User
from app.core import storage
from app.projects import actions as projects
from app.projects import queries
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.tables import Medium, Response, Sample

PASSWORD = "correct horse battery"


def user(session: Session, name: str, is_admin: bool = False) -> User:
    return accounts.add_user(session, f"{name.lower()}@example.org", name.title(), PASSWORD, is_admin)


def project(session: Session, author: User, name: str = "Streets", overlap: int = 1) -> Project:
    return projects.create(session, author, name, overlap=overlap)


def seat(session: Session, person: User, at: Project, *roles: str) -> Seat:
    """The person's seat in the project, after giving them the roles."""
    for role in roles:
        projects.give_role(session, person, at, person.email, role)
    return Seat(person, at, queries.roles_of(session, person, at))


@cache
def picture(colour: str = "teal", size: tuple[int, int] = (64, 48)) -> bytes:
    """A small JPEG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def sample(session: Session, at: Project, prompt: str = "What is shown?", replies: int = 4, **changes: str) -> Sample:
    """A sample with one picture and `replies` responses, as an import would have made it."""
    sha256 = storage.put_blob(picture())
    row = Sample(
        project_id=at.id,
        external_id=prompt,
        prompt=prompt,
        content_sha256=f"{at.id}-{prompt}",
        **{"domain": "image", "question_type": "short", **changes},
    )
    row.media = [Medium(position=0, kind="image", blob_sha256=sha256, media_type="image/jpeg", width=64, height=48)]
    row.responses = [
        Response(position=place, model=f"secret-model-{place}", text=f"Reply number {place} to: {prompt}")
        for place in range(replies)
    ]
    session.add(row)
    session.flush()
    return row


def sign_in(client: TestClient, session: Session, person: User) -> TestClient:
    """Give the client the person's cookie; what the session holds so far is committed, so that the site sees it."""
    secret = accounts.sign_in(session, person.email, PASSWORD)
    session.commit()
    client.cookies.set(COOKIE, secret)
    return client
