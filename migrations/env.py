"""Run by alembic: every room's tables, on the one engine.

Each migration is a transaction of its own, which waits for a table a few seconds at most: whoever waits for all of a
table makes everybody behind wait too. `app.core.migrations.upgrade` tries again.
"""

import importlib

from alembic import context

from app.core.db import Base, engine

PATIENCE = "3s"
LOCK = 6024241

for room in ("accounts", "projects", "samples", "tasks", "annotations", "datasets", "runs"):
    importlib.import_module(f"app.{room}.tables")


def run() -> None:
    with engine().connect() as connection:
        # Two starts at once must not migrate twice; the lock ends with the connection, however it ends.
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
        connection.exec_driver_sql(f"SET lock_timeout = '{PATIENCE}'")
        connection.commit()
        try:
            _run(connection)
        finally:
            connection.rollback()
            connection.invalidate()


def _run(connection) -> None:
    context.configure(
        connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


run()
