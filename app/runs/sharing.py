"""How many processes a run has: settled when it first begins, since its checkpoints are theirs."""

from __future__ import annotations

import sqlalchemy as sa

from app.core.db import Session
from app.runs.tables import Run


def settle(session: Session, run_id: int, most: int) -> int:
    """The run's processes; of one that never began, as many as its trainer has to give."""
    begun = sa.update(Run).where(Run.id == run_id, Run.processes.is_(None)).values(processes=most)
    session.execute(begun.execution_options(synchronize_session=False))
    return session.scalar(sa.select(Run.processes).where(Run.id == run_id)) or 1
