"""keep samplings: which samples were picked for judging, by which rule"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "9e3a6b7d1c52"
down_revision = "9d03be62f715"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "samplings",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", postgresql.JSONB(), nullable=False),
        sa.Column("raw", postgresql.JSONB(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_samplings_project_id_projects")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_samplings_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samplings")),
    )
    op.create_index(op.f("ix_samplings_project_id"), "samplings", ["project_id"])
    op.create_table(
        "picks",
        sa.Column("sampling_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sampling_id"], ["samplings.id"], name=op.f("fk_picks_sampling_id_samplings"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_picks_sample_id_samples"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sampling_id", "sample_id", name=op.f("pk_picks")),
    )
    op.create_index(op.f("ix_picks_sample_id"), "picks", ["sample_id"])


def downgrade() -> None:
    op.drop_table("picks")
    op.drop_table("samplings")
