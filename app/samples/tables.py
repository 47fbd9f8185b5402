"""Samples: a prompt with its image(s) or video frames, and the models' responses to compare."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment, now
from app.core.language import N_
from app.projects.tables import Project
from app.samples.curating_tables import SetAside as SetAside  # these tables belong to this room too
from app.samples.sampling_tables import Pick as Pick  # its table belongs to this room

DOMAINS = ("image", "video", "safety")
QUESTION_TYPES = ("mcq", "long", "short")
DANGERS = {
    "jailbreak": N_("jailbreak"),
    "privacy": N_("privacy and discrimination"),
    "hacking": N_("hacking"),
    "violence": N_("violence"),
    "self_injury": N_("self-injury"),
    "adversarial": N_("adversarial"),
}
"""What a safety sample is about: the five categories of MM-RLHF (arXiv 2502.10391), and adversarial pictures."""
MEDIUM_KINDS = ("image", "frame", "video")


def _one_of(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


class Sample(Base):
    __tablename__ = "samples"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    external_id: Mapped[str]
    """The id that the imported file gave, or the line's content hash."""
    prompt: Mapped[str]
    domain: Mapped[str] = mapped_column(_one_of("domain", DOMAINS))
    question_type: Mapped[str] = mapped_column(_one_of("question_type", QUESTION_TYPES))
    language: Mapped[str] = mapped_column(default="", server_default="")
    """Such as en or zh, where a project gives its samples only to those who read it; empty: anybody's."""
    cluster: Mapped[str] = mapped_column(default="", server_default="")
    """The name of the group of look-alikes that the sample belongs to; empty where none was made."""
    map_x: Mapped[float | None]
    map_y: Mapped[float | None]
    """Where the last cluster run put it on the project's map, within -1 and 1; null where it was not in one."""
    content_sha256: Mapped[str]
    """Of prompt, media and responses: importing the same line again adds nothing."""
    danger: Mapped[str] = mapped_column(default="", server_default="")
    """One of DANGERS; empty where none is told."""
    credit: Mapped[str] = mapped_column(default="")
    """Where the media come from and under which licence."""
    created_at: Mapped[Moment]
    media: Mapped[list[Medium]] = relationship(order_by="Medium.position", back_populates="sample")
    responses: Mapped[list[Response]] = relationship(order_by="Response.position", back_populates="sample")
    __table_args__ = (sa.UniqueConstraint("project_id", "content_sha256"),)

    @property
    def danger_words(self) -> str:
        """What it is about, in English: shown through `told`."""
        return DANGERS.get(self.danger, self.danger)

    @property
    def seen(self) -> list[Medium]:
        """What models saw: the pictures, or a video's sampled frames; not the video itself."""
        return [medium for medium in self.media if medium.kind != "video"]


class Medium(Base):
    """One image, one video, or one sampled frame of a video, kept as a blob."""

    __tablename__ = "media"
    id: Mapped[Id]
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(sa.Integer)
    kind: Mapped[str] = mapped_column(_one_of("medium_kind", MEDIUM_KINDS))
    blob_sha256: Mapped[str] = mapped_column(index=True)
    media_type: Mapped[str]
    width: Mapped[int] = mapped_column(sa.Integer)
    height: Mapped[int] = mapped_column(sa.Integer)
    alt: Mapped[str] = mapped_column(default="")
    at_seconds: Mapped[float | None]
    """Where in its video a frame stands, where that is known."""
    sample: Mapped[Sample] = relationship(back_populates="media")
    __table_args__ = (
        sa.UniqueConstraint("sample_id", "position"),
        sa.Index("ix_media_videos", "id", postgresql_where=sa.text("kind = 'video'")),
    )


class Response(Base):
    """One model's reply. `model` is never shown to an annotator."""

    __tablename__ = "responses"
    id: Mapped[Id]
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(sa.Integer)
    model: Mapped[str]
    text: Mapped[str]
    sample: Mapped[Sample] = relationship(back_populates="responses")
    __table_args__ = (sa.UniqueConstraint("sample_id", "position"),)


class Margin(Base):
    """The reward margin δ between two responses that came with the imported data: somebody else's reward model's."""

    __tablename__ = "margins"
    chosen_id: Mapped[int] = mapped_column(sa.ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True)
    rejected_id: Mapped[int] = mapped_column(
        sa.ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id", ondelete="CASCADE"), index=True)
    value: Mapped[float]


class Import(Base):
    """One file on its way into a project: how far it has come, and what was wrong with its lines.

    A worker claims it with a rising fence, adds a batch of records a transaction, and says how far it has come.
    """

    __tablename__ = "imports"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    token: Mapped[str]
    """The upload's; for a file that was named on a command line, what was drawn for it."""
    name: Mapped[str]
    source: Mapped[str]
    """Path of the file or datasets folder that holds the records."""
    media: Mapped[str]
    aside: Mapped[str]
    """Path of the folder for pictures that rows carry, and for what is gathered."""
    shape: Mapped[str]
    mapping: Mapped[dict[str, Any]]
    dry: Mapped[bool] = mapped_column(default=False)
    """A dry run says what would be added and what is at fault, and adds nothing."""
    total: Mapped[int | None]
    """Lines or rows of the file, where counting them is quick."""
    fingerprint: Mapped[str] = mapped_column(default="", server_default="")
    """Size and time of the file when it was last taken up: one that changed since is read from its beginning."""
    reached: Mapped[int] = mapped_column(default=0, server_default="0")
    """The number of the last line that is done with: where the import goes on after a break."""
    added: Mapped[int] = mapped_column(default=0, server_default="0")
    already: Mapped[int] = mapped_column(default=0, server_default="0")
    faulty: Mapped[int] = mapped_column(default=0, server_default="0")
    faults: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """The first few hundred: [[line, field, reason], …]."""
    fence: Mapped[int] = mapped_column(default=0, server_default="0")
    heard_at: Mapped[dt.datetime | None]
    """When its worker last said something; null while none has it."""
    created_at: Mapped[Moment]
    ended_at: Mapped[dt.datetime | None]
    failure: Mapped[str] = mapped_column(default="", server_default="")
    """Why it stopped for good, by a named error; empty where it went through."""
    project: Mapped[Project] = relationship()
    author: Mapped[User] = relationship()

    @property
    def silent(self) -> bool:
        """Whether whoever has it has said nothing for longer than a batch of records should take."""
        return self.heard_at is not None and self.heard_at < now() - dt.timedelta(seconds=20)

    __table_args__ = (
        sa.UniqueConstraint("token", "dry"),
        sa.Index("ix_imports_waiting", "id", postgresql_where=sa.text("ended_at IS NULL")),
    )


class Assessment(Base):
    """What a reward model made of a response: its reward and critique, from a score run whose results are offered."""

    __tablename__ = "assessments"
    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.BigInteger)
    """The score run; runs are a room above, so that this is its number and no foreign key."""
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id", ondelete="CASCADE"), index=True)
    response_id: Mapped[int] = mapped_column(sa.ForeignKey("responses.id", ondelete="CASCADE"), index=True)
    reward: Mapped[float]
    critique: Mapped[str] = mapped_column(default="", server_default="")
    __table_args__ = (sa.UniqueConstraint("run_id", "response_id"),)


class Uncertainty(Base):
    """How unsure a reward model is between a sample's responses: what reviewers' lists may be ordered by.

    The mean, over the pairs of responses that it scored, of twice the chance σ(−|r_a − r_b|) that it gives to the order
    it believes in less: 0 where it is sure of every pair, 1 where all rewards are equal. Kept, since an order over many
    thousands cannot be computed at each look.
    """

    __tablename__ = "uncertainties"
    run_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    sample_id: Mapped[int] = mapped_column(
        sa.ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    value: Mapped[float]


class Offer(Base):
    """Who lets a project's reviewers read a score run's assessments, and who ended it. One stands at most."""

    __tablename__ = "offers"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    run_id: Mapped[int] = mapped_column(sa.BigInteger)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    withdrawn_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    withdrawn_at: Mapped[dt.datetime | None]
    user: Mapped[User] = relationship(foreign_keys=[user_id])
    __table_args__ = (
        sa.Index("uq_offers_standing", "project_id", unique=True, postgresql_where=sa.text("withdrawn_at IS NULL")),
    )
