"""Run by alembic: every room's tables, on the one engine."""

import importlib

from alembic import context

from app.core.db import Base, engine

for room in ("accounts", "projects", "samples", "tasks", "annotations", "datasets", "runs"):
    importlib.import_module(f"app.{room}.tables")


def run() -> None:
    with engine().connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        # Two starts at once must not migrate twice.
        with context.begin_transaction():
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(6024241)")
            context.run_migrations()
        connection.commit()


run()
