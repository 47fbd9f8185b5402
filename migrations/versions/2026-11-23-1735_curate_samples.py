"""curate samples: which are set aside, and by which tags they are found"""

import sqlalchemy as sa
from alembic import op

revision = "c41d8e6f2a09"
down_revision = "9e3a6b7d1c52"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "set_asides",
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_set_asides_sample_id_samples"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_set_asides_user_id_users")),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("pk_set_asides")),
    )
    op.create_table(
        "sample_tags",
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_sample_tags_sample_id_samples"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sample_id", "tag", name=op.f("pk_sample_tags")),
    )
    op.create_index(op.f("ix_sample_tags_tag"), "sample_tags", ["tag"])


def downgrade() -> None:
    op.drop_table("sample_tags")
    op.drop_table("set_asides")
