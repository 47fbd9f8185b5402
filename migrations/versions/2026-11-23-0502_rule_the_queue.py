"""rule the queue: lanes, places, people's standing, pauses, admissions, gold"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "9e41c07b5a10"
down_revision = "1a9c0a6e0001"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())
OPEN = "done_at IS NULL AND done_by_id IS NULL AND gold_id IS NULL"


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _moment(name: str = "created_at") -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _json(name: str, default: str) -> sa.Column:
    return sa.Column(name, JSON, server_default=sa.text(f"'{default}'"), nullable=False)


def _row(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _to(table: str, column: str, target: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}_{target}"), ondelete=ondelete
    )


def upgrade() -> None:
    op.add_column("samples", sa.Column("language", sa.Text(), server_default="", nullable=False))
    op.add_column("samples", sa.Column("cluster", sa.Text(), server_default="", nullable=False))
    op.add_column("projects", _json("queue_rules", "{}"))
    _lanes()
    _people()
    _gold()
    _tasks()


def _lanes() -> None:
    op.create_table(
        "lanes",
        _id(),
        _row("project_id"),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        _to("lanes", "project_id", "projects", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lanes")),
        sa.UniqueConstraint("project_id", "language", "skill", name=op.f("uq_lanes_project_id_language_skill")),
    )
    op.create_table(
        "queue_places",
        _row("project_id"),
        _row("user_id"),
        sa.Column("priority", sa.Integer(), nullable=False),
        _row("task_id"),
        _to("queue_places", "project_id", "projects", "CASCADE"),
        _to("queue_places", "user_id", "users", "CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_queue_places")),
    )


def _people() -> None:
    op.create_table(
        "standings",
        _row("project_id"),
        _row("user_id"),
        _json("languages", "[]"),
        _json("skills", "[]"),
        sa.Column("daily_quota", sa.Integer(), nullable=True),
        sa.Column("total_quota", sa.Integer(), nullable=True),
        _to("standings", "project_id", "projects", "CASCADE"),
        _to("standings", "user_id", "users", "CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_standings")),
    )
    op.create_table(
        "pauses",
        _id(),
        _row("project_id"),
        _row("user_id"),
        _row("author_id", nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        _moment(),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _row("ended_by_id", nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        _to("pauses", "project_id", "projects", "CASCADE"),
        _to("pauses", "user_id", "users", "CASCADE"),
        _to("pauses", "author_id", "users"),
        _to("pauses", "ended_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
    )
    op.create_index(
        "uq_pauses_open", "pauses", ["project_id", "user_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "admissions",
        _id(),
        _row("project_id"),
        _row("user_id"),
        _row("author_id", nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        _moment(),
        _to("admissions", "project_id", "projects", "CASCADE"),
        _to("admissions", "user_id", "users", "CASCADE"),
        _to("admissions", "author_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admissions")),
        sa.UniqueConstraint("project_id", "user_id", name=op.f("uq_admissions_project_id_user_id")),
    )


def _gold() -> None:
    op.create_table(
        "golds",
        _id(),
        _row("project_id"),
        _row("sample_id"),
        _row("author_id"),
        sa.Column("use", sa.String(16), nullable=False),
        _json("scores", "{}"),
        sa.Column("tolerance", sa.Integer(), nullable=False),
        _json("pairs", "[]"),
        sa.Column("reason", sa.Text(), nullable=False),
        _moment(),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("use IN ('hidden', 'qualification', 'practice')", name=op.f("ck_golds_gold_use")),
        sa.CheckConstraint("tolerance BETWEEN 0 AND 4", name=op.f("ck_golds_tolerance_in_bounds")),
        _to("golds", "project_id", "projects", "CASCADE"),
        _to("golds", "sample_id", "samples"),
        _to("golds", "author_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_golds")),
        sa.UniqueConstraint("sample_id", name=op.f("uq_golds_sample_id")),
    )
    op.create_index(op.f("ix_golds_project_id"), "golds", ["project_id"])


def _tasks() -> None:
    op.add_column("tasks", _row("lane_id", nullable=True))
    op.execute("INSERT INTO lanes (project_id, language, skill) SELECT DISTINCT project_id, '', '' FROM tasks")
    op.execute("UPDATE tasks SET lane_id = lanes.id FROM lanes WHERE lanes.project_id = tasks.project_id")
    op.alter_column("tasks", "lane_id", nullable=False)
    op.create_foreign_key(op.f("fk_tasks_lane_id_lanes"), "tasks", "lanes", ["lane_id"], ["id"])
    op.add_column("tasks", sa.Column("out_of_turn", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("tasks", _row("gold_id", nullable=True))
    op.create_foreign_key(op.f("fk_tasks_gold_id_golds"), "tasks", "golds", ["gold_id"], ["id"])
    op.drop_index("ix_tasks_open", table_name="tasks")
    queue = ["project_id", "lane_id", sa.text("(-priority)"), "id"]
    op.create_index("ix_tasks_queue", "tasks", queue, postgresql_where=sa.text(OPEN))
    op.create_index("ix_tasks_out_of_turn", "tasks", queue, postgresql_where=sa.text(f"{OPEN} AND out_of_turn"))
    op.create_index(
        "ix_tasks_done",
        "tasks",
        ["project_id", "done_by_id", "done_at"],
        postgresql_where=sa.text("done_by_id IS NOT NULL"),
    )
    op.create_index("ix_tasks_gold", "tasks", ["gold_id"], postgresql_where=sa.text("gold_id IS NOT NULL"))
    op.create_index("ix_leases_user_open", "leases", ["user_id", "id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("ix_leases_sample", "leases", ["sample_id", "user_id", "id"])
    op.create_table(
        "gold_checks",
        _row("task_id"),
        _row("gold_id"),
        _row("user_id"),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        _json("misses", "[]"),
        _moment(),
        _to("gold_checks", "task_id", "tasks"),
        _to("gold_checks", "gold_id", "golds"),
        _to("gold_checks", "user_id", "users"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_gold_checks")),
    )
    op.create_index("ix_gold_checks_user", "gold_checks", ["user_id", "created_at"])


def downgrade() -> None:
    op.drop_table("gold_checks")
    op.drop_index("ix_leases_sample", table_name="leases")
    op.drop_index("ix_leases_user_open", table_name="leases")
    for name in ("ix_tasks_gold", "ix_tasks_done", "ix_tasks_out_of_turn", "ix_tasks_queue"):
        op.drop_index(name, table_name="tasks")
    op.create_index(
        "ix_tasks_open",
        "tasks",
        ["project_id", sa.text("priority DESC"), "id"],
        postgresql_where=sa.text("done_at IS NULL AND done_by_id IS NULL"),
    )
    for name in ("gold_id", "out_of_turn", "lane_id"):
        op.drop_column("tasks", name)
    for name in ("golds", "admissions", "pauses", "standings", "queue_places", "lanes"):
        op.drop_table(name)
    op.drop_column("projects", "queue_rules")
    op.drop_column("samples", "cluster")
    op.drop_column("samples", "language")
