"""Webhooks of a project and what was sent to them."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment


class Webhook(Base):
    """An address elsewhere that hears of a project's runs. The secret that signs is sealed: it was shown once."""

    __tablename__ = "webhooks"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    url: Mapped[str]
    sealed_secret: Mapped[str]
    hears: Mapped[str]
    """ended: of every run that ends; failed: only of those that fail."""
    created_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    author: Mapped[User] = relationship()
    __table_args__ = (sa.CheckConstraint("hears IN ('ended', 'failed')", name="hears_is_known"),)


class Delivery(Base):
    """One message to one webhook, tried until it is taken or given up. Each try sends the body as it is kept here."""

    __tablename__ = "webhook_deliveries"
    id: Mapped[Id]
    webhook_id: Mapped[int] = mapped_column(sa.ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str]
    """The message's own id, by which its receiver knows it again; what is sent again keeps it."""
    kind: Mapped[str]
    """run.ended or webhook.test."""
    run_id: Mapped[int | None] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    asked_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    """Who pressed a button for it; none: a run's end."""
    body: Mapped[str]
    created_at: Mapped[Moment]
    tries: Mapped[int] = mapped_column(sa.Integer, default=0)
    tried_at: Mapped[dt.datetime | None]
    next_at: Mapped[Moment]
    """When it may be tried again, for as long as it has not ended."""
    ended_at: Mapped[dt.datetime | None]
    """When it was taken, or given up: then `fault` says why."""
    status: Mapped[int | None] = mapped_column(sa.Integer)
    """Of the last answer."""
    answer: Mapped[str] = mapped_column(default="")
    """The beginning of the last answer's text."""
    fault: Mapped[str] = mapped_column(default="")
    """Why the last try did not do, in English: shown through `told`."""
    webhook: Mapped[Webhook] = relationship()
    asker: Mapped[User | None] = relationship()
    __table_args__ = (
        sa.Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),
        sa.Index("ix_webhook_deliveries_open", "next_at", postgresql_where=sa.text("ended_at IS NULL")),
    )
