"""The annotate page's keys: what each does, and the other key that a person may give it."""

from __future__ import annotations

from typing import NamedTuple

from app.accounts.tables import User
from app.core.db import Session
from app.core.errors import Invalid
from app.core.language import N_, told
from app.core.language import gettext as _


class Key(NamedTuple):
    """`usual` is a character as the browser names it."""

    usual: str
    does: str


KEYS = (
    Key("1", N_("score the active cell 1, the worst, and move on")),
    Key("2", N_("score it 2")),
    Key("3", N_("score it 3")),
    Key("4", N_("score it 4")),
    Key("5", N_("score it 5, the best")),
    Key("n", N_("to the next thing that is missing")),
    Key("m", N_("to the matrix")),
    Key("e", N_("to the reasons")),
    Key("r", N_("to the ranking: A C B=D")),
    Key("g", N_("guidelines")),
    Key("i", N_("levels and examples of the active criterion")),
    Key("s", N_("skip this sample")),
    Key("f", N_("flag this sample")),
    Key("d", N_("differences between two responses")),
    Key("/", N_("find in the responses")),
    Key("x", N_("responses as they were written")),
    Key("u", N_("undo the last submission, for a minute")),
    Key("+", N_("zoom in")),
    Key("-", N_("zoom out")),
    Key("0", N_("fit the picture")),
    Key("9", N_("the picture at 100 %")),
    Key("t", N_("turn the picture")),
    Key("v", N_("pictures side by side")),
    Key("[", N_("previous picture")),
    Key("]", N_("next picture")),
    Key(",", N_("previous frame")),
    Key(".", N_("next frame")),
    Key("p", N_("play or pause")),
    Key("b", N_("show what is veiled")),
    Key("?", N_("this sheet")),
)
FIXED = (
    ("← → ↑ ↓", N_("move in the matrix")),
    ("Delete", N_("empty the active cell")),
    ("Tab", N_("to the next field")),
    ("Esc", N_("leave a text field")),
    ("Ctrl Enter", N_("submit")),
)
"""Keys that belong to the browser or to everybody, and stay as they are."""


class BadKey(Invalid):
    """A key that is no single character, or that two actions share."""


def change(session: Session, user: User, keys: dict[str, str]) -> None:
    """Give actions, named by their usual keys, other keys; those not named keep theirs. Raises BadKey."""
    known = {key.usual: key.does for key in KEYS}
    if foreign := sorted(set(keys) - set(known)):
        raise BadKey(_("“%(key)s” is no key of the annotate page.", key=foreign[0][:20]), "keys")
    chosen = {usual: keys.get(usual, usual) for usual in known}
    holders: dict[str, str] = {}
    for usual, own in chosen.items():
        if len(own) != 1 or not own.isprintable() or own == " ":
            raise BadKey(_("A key is one character: “%(does)s” has none.", does=told(known[usual])), usual)
        if own in holders:
            raise BadKey(
                _(
                    "“%(key)s” stands for two things: “%(one)s” and “%(other)s”.",
                    key=own,
                    one=told(holders[own]),
                    other=told(known[usual]),
                ),
                usual,
            )
        holders[own] = known[usual]
    user.keys = {usual: own for usual, own in chosen.items() if own != usual}
    session.add(user)
    session.flush()
