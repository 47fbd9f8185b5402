"""What can keep the platform from starting: each a sentence for the person at the terminal."""

from __future__ import annotations

from app.core.errors import Refusal


class CannotStart(Refusal):
    """Something that must be mended before anything is started."""

    status = 500


class PortInUse(CannotStart):
    """Another program listens at the web server's address."""


class DiskFull(CannotStart):
    """Too little room for a database and its files."""


class AnotherVersion(CannotStart):
    """A data folder that another version of the platform or of PostgreSQL wrote."""


class AlreadyRunning(CannotStart):
    """A second start on one data folder."""


class PartMissing(CannotStart):
    """A package that carries a server is not installed."""


class PartFailed(CannotStart):
    """A server did not come up; its log says why."""
