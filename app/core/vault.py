"""The vault: where blobs are kept besides this machine's own folder, by any URL that fsspec has a driver for.

With BLOBS_URL set, the folder is a cache: each blob is put into the vault before a row names it, and fetched back where
the folder has it no longer. A blob's name is its SHA-256, so that what comes back is checked by its name.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import fsspec

from app.core.errors import Refusal
from app.core.language import gettext as _
from app.core.settings import settings


class VaultFault(Refusal):
    """The vault does not answer, or what it gave is not what its name says."""

    status = 503


def there_is() -> bool:
    return bool(settings().blobs_url)


def keep(sha256: str, path: Path) -> None:
    """Put a blob's file into the vault; one that is there whole stays. Raises VaultFault."""
    try:
        files, place = _place(sha256)
        if _size(files, place) == path.stat().st_size:
            return
        files.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
        files.put_file(str(path), f"{place}.aside")
        files.mv(f"{place}.aside", place)
    except (OSError, ValueError, ImportError) as problem:
        raise _fault(problem) from None


def fetch(sha256: str, path: Path) -> None:
    """Bring a blob back into the folder; FileNotFoundError is left to who reads it. Raises VaultFault."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".aside-")
    os.close(handle)
    try:
        files, place = _place(sha256)
        files.get_file(place, aside)
        with open(aside, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise VaultFault(_("The vault's blob has another content than its name says."), sha256)
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except FileNotFoundError:
        return
    except (OSError, ValueError, ImportError) as problem:
        raise _fault(problem) from None
    finally:
        Path(aside).unlink(missing_ok=True)


def forget(sha256: str) -> None:
    """Delete a blob from the vault; twice is harmless. Raises VaultFault."""
    try:
        files, place = _place(sha256)
        files.rm_file(place)
    except FileNotFoundError:
        return
    except (OSError, ValueError, ImportError) as problem:
        raise _fault(problem) from None


def _place(sha256: str) -> tuple[Any, str]:
    files, base = fsspec.core.url_to_fs(settings().blobs_url)
    return files, f"{base.rstrip('/')}/{sha256[:2]}/{sha256}"


def _size(files: Any, place: str) -> int | None:
    try:
        return int(files.size(place))
    except FileNotFoundError:
        return None


def _fault(problem: Exception) -> VaultFault:
    return VaultFault(
        _("The vault of blobs does not answer: %(problem)s.", problem=f"{type(problem).__name__} {problem}"[:200]),
        "BLOBS_URL",
    )
