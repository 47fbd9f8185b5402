"""The annotate page's keys: what each does, and the other key that a person may give it."""

from __future__ import annotations

from typing import NamedTuple

from app.accounts.tables import User
from app.core.db import Session
from app.core.errors import Invalid


class Key(NamedTuple):
    """`usual` is a character as the browser names it."""

    usual: str
    does: str


KEYS = (
    *[Key(str(score), f"score the active cell {score} and move on") for score in range(1, 6)],
    Key("n", "to the next thing that is missing"),
    Key("m", "to the matrix"),
    Key("e", "to the reasons"),
    Key("r", "to the ranking: A C B=D"),
    Key("g", "guidelines"),
    Key("i", "levels and examples of the active criterion"),
    Key("s", "skip this sample"),
    Key("f", "flag this sample"),
    Key("u", "undo the last submission, for a minute"),
    Key("+", "zoom in"),
    Key("-", "zoom out"),
    Key("0", "fit the picture"),
    Key("9", "show it at 100 %"),
    Key("t", "turn it"),
    Key("v", "pictures side by side"),
    Key("p", "play or pause"),
    Key("9", "the picture at 100 %"),
    Key("t", "turn the picture"),
    Key("v", "pictures side by side"),
    Key("[", "previous picture"),
    Key("]", "next picture"),
    Key(",", "previous frame"),
    Key(".", "next frame"),
    Key("p", "play or pause"),
    Key("?", "this sheet"),
)
FIXED = (
    ("← → ↑ ↓", "move in the matrix"),
    ("Delete", "empty the active cell"),
    ("Tab", "to the next field"),
    ("Esc", "leave a text field"),
    ("Ctrl Enter", "submit"),
)
"""Keys that belong to the browser or to everybody, and stay as they are."""


class BadKey(Invalid):
    """A key that is no single character, or that two actions share."""


def change(session: Session, user: User, keys: dict[str, str]) -> None:
    """Give actions, named by their usual keys, other keys; those not named keep theirs. Raises BadKey."""
    known = {key.usual: key.does for key in KEYS}
    if foreign := sorted(set(keys) - set(known)):
        raise BadKey(f"“{foreign[0][:20]}” is no key of the annotate page.", "keys")
    chosen = {usual: keys.get(usual, usual) for usual in known}
    holders: dict[str, str] = {}
    for usual, own in chosen.items():
        if len(own) != 1 or not own.isprintable() or own == " ":
            raise BadKey(f"A key is one character: “{known[usual]}” has none.", usual)
        if own in holders:
            raise BadKey(f"“{own}” stands for two things: “{holders[own]}” and “{known[usual]}”.", usual)
        holders[own] = known[usual]
    user.keys = {usual: own for usual, own in chosen.items() if own != usual}
    session.add(user)
    session.flush()
