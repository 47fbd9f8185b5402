"""The demonstration's five people and their passwords, which are generated and kept in a file for the owner alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.accounts import actions as accounts
from app.accounts import queries
from app.accounts.tables import User
from app.core.db import Session


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    role: str
    """In the demonstration project; the admin administers the whole platform."""


PEOPLE = {
    "admin": Person("Alma", "admin@example.org", "admin"),
    "rosa": Person("Rosa", "rosa@example.org", "reviewer"),
    "ana": Person("Ana", "ana@example.org", "annotator"),
    "ben": Person("Ben", "ben@example.org", "annotator"),
    "rui": Person("Rui", "rui@example.org", "researcher"),
}


def passwords_file(data_folder: Path) -> Path:
    return data_folder / "passwords.txt"


def passwords(data_folder: Path) -> dict[str, str]:
    """Address → password. Read from the file, or generated and written to it (mode 0600) when there is none.

    Written before the accounts are made: seeding that fails half-way and begins again uses the same ones.
    """
    path = passwords_file(data_folder)
    if path.exists():
        return dict(line.split() for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    made = {person.email: secrets.token_urlsafe(12) for person in PEOPLE.values()}
    lines = ["# The demonstration's accounts: address, then password.", *(f"{email} {made[email]}" for email in made)]
    data_folder.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return made


def add_people(session: Session, known: Mapping[str, str]) -> dict[str, User]:
    """The five users by their short names; whoever has an account already keeps it and its password."""
    return {name: _user(session, person, known[person.email]) for name, person in PEOPLE.items()}


def _user(session: Session, person: Person, password: str) -> User:
    held = queries.user_by_email(session, person.email)
    return held or accounts.add_user(session, person.email, person.name, password, is_admin=person.role == "admin")
