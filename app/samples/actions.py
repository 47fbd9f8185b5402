"""Samples' verbs: import what was uploaded. Importing itself lives in `importing`."""

from __future__ import annotations

from app.core.db import Session, after_commit
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples.importing import Report, import_samples, lines_of
from app.samples.staging import AlreadyImported, Upload


def import_upload(session: Session, seat: Seat, upload: Upload) -> Report:
    """Turn an upload that was put aside into samples. Raises AlreadyImported."""
    if upload.report is not None:
        raise AlreadyImported(_("This upload has been imported already."), "upload")
    with upload.lines.open("rb") as file:
        report = import_samples(session, seat.project, lines_of(file), upload.media, seat.user)
    after_commit(session, lambda: upload.keep_report(report))
    return report
