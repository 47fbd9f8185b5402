"""group runs: chains of steps and sweeps over settings"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "6d1f0a93be27"
down_revision = "a41f0c6be872"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_groups",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('chain', 'sweep')", name=op.f("ck_run_groups_run_group_kind")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_run_groups_project_id_projects")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_run_groups_created_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_groups")),
    )
    op.create_index(op.f("ix_run_groups_project_id"), "run_groups", ["project_id"])
    op.add_column("runs", sa.Column("group_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_runs_group_id_run_groups"), "runs", "run_groups", ["group_id"], ["id"])
    op.create_index(op.f("ix_runs_group_id"), "runs", ["group_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_group_id"), "runs")
    op.drop_constraint(op.f("fk_runs_group_id_run_groups"), "runs", type_="foreignkey")
    op.drop_column("runs", "group_id")
    op.drop_table("run_groups")
