"""Words that rows, recipes and addresses hold in English: marked for the catalogue, and shown through `told`."""

from __future__ import annotations

from app.core.language import N_

STATES = (
    N_("waiting"),
    N_("submitted"),
    N_("accepted"),
    N_("corrected"),
    N_("returned"),
    N_("rejected"),
    N_("adjudicated"),
    N_("running"),
    N_("finished"),
    N_("failed"),
    N_("cancelled"),
    N_("being cancelled"),
    N_("open"),
    N_("done"),
)
ROLES = (N_("annotator"), N_("reviewer"), N_("researcher"), N_("admin"))
FLAGS = (N_("confusing"), N_("incomplete"), N_("harmful"), N_("fault"))
SAMPLES = (N_("image"), N_("video"), N_("safety"), N_("short"), N_("long"), N_("mcq"))
NO_JUDGEMENT = (N_("media missing"), N_("question broken"))
LEVELS = (N_("helpful"), N_("accurate"))
