"""Why the house cannot stand on this machine; each says what to do."""

from __future__ import annotations

from app.core.errors import Refusal


class CannotStart(Refusal):
    """Something on this machine stands in the way."""

    status = 500


class PackageMissing(CannotStart):
    """A package that carries a server is not installed."""


class ServiceFailed(CannotStart):
    """A server ended, or did not answer in time."""


class WrongVersion(CannotStart):
    """The data folder was laid by another version."""


class FolderTaken(CannotStart):
    """Another process works in this data folder, or it is not ours."""


class PortTaken(CannotStart):
    """Another program listens on the address."""


class DiskFull(CannotStart):
    """Too little room for a database to start safely."""
