"""What people say of samples before anybody judges them: that one is left out, and by which tags it is found."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Moment


class SetAside(Base):
    """A sample that is neither picked nor cut into tasks: who left it out, when and why. Nothing is deleted."""

    __tablename__ = "set_asides"
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[Moment]


class Tag(Base):
    """A word by which a sample is found."""

    __tablename__ = "sample_tags"
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)
