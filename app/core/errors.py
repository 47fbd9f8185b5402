"""Errors with names that know their status; one handler turns each into a page, a fragment or JSON."""

from __future__ import annotations

from typing import Any

from app.core.language import N_, gettext


class Refusal(Exception):
    """A named no: `what` is one sentence for a person, `where` the field, line or file that it is about."""

    status = 400
    advice = ""

    def __init__(self, what: str, where: str = "", advice: str = "") -> None:
        super().__init__(what)
        self.what, self.where = what, where
        self.advice = advice or gettext(type(self).advice)

    @property
    def name(self) -> str:
        return type(self).__name__

    def as_json(self) -> dict[str, Any]:
        return {"error": self.name, "message": self.what, "where": self.where, "advice": self.advice}


class NotFound(Refusal):
    status = 404

    advice = N_("Check the address, or ask an admin of the project for access.")

    def __init__(self, what: str = "", where: str = "") -> None:
        super().__init__(what or gettext("There is nothing here that you may see."), where)


class NotSignedIn(Refusal):
    status = 401
    page = "/sign-in"
    """Where a browser is sent instead of an error."""


class Forbidden(Refusal):
    status = 403


class Conflict(Refusal):
    status = 409


class Invalid(Refusal):
    status = 422


class NumberTooLarge(Invalid):
    """A number of an address or a field beyond what the database can hold, so that it names nothing."""


class TooLarge(Refusal):
    status = 413


class DatabaseAway(Refusal):
    """The database does not answer, or has ended the connection; nothing of the request was kept."""

    status = 503

    advice = N_("Try again in a moment; what you have written stays in this browser.")


class DiskFull(Refusal):
    """There is no room for what the request would have written; nothing of it was kept."""

    status = 507

    advice = N_("An operator has to make room; what you have written stays in this browser.")
