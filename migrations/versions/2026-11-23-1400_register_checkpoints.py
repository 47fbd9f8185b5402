"""register checkpoints: promotions, deletions, pushes and rules of what is kept"""

import sqlalchemy as sa
from alembic import op

revision = "c6a1f05e7b21"
down_revision = "5e71a0c4d902"
branch_labels = None
depends_on = None


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False)


def _moment(name: str = "created_at") -> sa.Column:
    if name == "created_at":
        return sa.Column(name, sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False)
    return sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=True)


def _to(table: str, column: str, other: str, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="CASCADE" if cascade else None)


def upgrade() -> None:
    op.create_table(
        "promotions",
        _id(),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("standing", sa.String(16), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _moment(),
        _moment("ended_at"),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=False),
        sa.CheckConstraint("standing IN ('candidate', 'current')", name=op.f("ck_promotions_standing")),
        _to("promotions", "project_id", "projects", True),
        _to("promotions", "checkpoint_id", "checkpoints", True),
        _to("promotions", "user_id", "users"),
        _to("promotions", "ended_by", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index(op.f("ix_promotions_project_id"), "promotions", ["project_id"])
    op.create_index(op.f("ix_promotions_checkpoint_id"), "promotions", ["checkpoint_id"])
    open_ones = sa.text("ended_at IS NULL")
    op.create_index("uq_promotions_open", "promotions", ["checkpoint_id"], unique=True, postgresql_where=open_ones)
    current = sa.text("ended_at IS NULL AND standing = 'current'")
    op.create_index(
        "uq_promotions_current", "promotions", ["project_id", "kind"], unique=True, postgresql_where=current
    )
    op.create_table(
        "checkpoint_deletions",
        _id(),
        sa.Column("checkpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        _moment(),
        _moment("cleared_at"),
        _to("checkpoint_deletions", "checkpoint_id", "checkpoints", True),
        _to("checkpoint_deletions", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoint_deletions")),
        sa.UniqueConstraint("checkpoint_id", name=op.f("uq_checkpoint_deletions_checkpoint_id")),
    )
    op.create_table(
        "pushes",
        _id(),
        sa.Column("checkpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        _moment(),
        _moment("ended_at"),
        sa.Column("failure", sa.Text(), nullable=True),
        _to("pushes", "checkpoint_id", "checkpoints", True),
        _to("pushes", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushes")),
    )
    op.create_index(op.f("ix_pushes_checkpoint_id"), "pushes", ["checkpoint_id"])
    op.create_index("ix_pushes_open", "pushes", ["id"], postgresql_where=open_ones)
    op.create_table(
        "retention_rules",
        _id(),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("applies", sa.Boolean(), nullable=False),
        sa.Column("keep_last", sa.Integer(), nullable=False),
        sa.Column("keep_best", sa.Integer(), nullable=False),
        sa.Column("min_days", sa.Integer(), nullable=False),
        _moment(),
        _to("retention_rules", "project_id", "projects", True),
        _to("retention_rules", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_rules")),
    )
    op.create_index(op.f("ix_retention_rules_project_id"), "retention_rules", ["project_id"])


def downgrade() -> None:
    for table in ("retention_rules", "pushes", "checkpoint_deletions", "promotions"):
        op.drop_table(table)
