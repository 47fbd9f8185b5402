"""The job of the webhooks: one try of one delivery. Twice is harmless."""

from __future__ import annotations

from app.runs import delivering
from worker.celery import app


@app.task(name="deliver_webhook")
def deliver_webhook(delivery_id: int) -> None:
    """Try a delivery whose time has come; the sweep offers it again where it did not get through."""
    delivering.perform(delivery_id)
