"""What keeps the platform from starting: each is a sentence for the person at the terminal."""

from __future__ import annotations

from app.core.errors import Refusal


class CannotStart(Refusal):
    """Something on this machine stands in the way."""

    status = 500


class PackageMissing(CannotStart):
    """A package that carries a server is not installed."""


class ServiceFailed(CannotStart):
    """A program ended that should run, or did not answer in time."""


class WrongVersion(CannotStart):
    """A data folder that another version of the platform or of PostgreSQL wrote."""


class FolderTaken(CannotStart):
    """A second start on one data folder."""


class PortTaken(CannotStart):
    """Another program listens at the web server's address."""


class DiskFull(CannotStart):
    """Too little room for a database and its files."""
