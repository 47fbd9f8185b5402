"""keep the flow: a task ahead, resolved flags, versions of the guidance, own keys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "f10e0a11d0c5"
down_revision = "5b1d0c6a7e21"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.add_column("leases", sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE leases SET opened_at = taken_at")
    op.add_column("users", sa.Column("keys", JSON, server_default=sa.text("'{}'"), nullable=False))
    op.create_table(
        "flag_resolutions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("flag_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["flag_id"], ["flags.id"], name=op.f("fk_flag_resolutions_flag_id_flags"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_flag_resolutions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flag_resolutions")),
        sa.UniqueConstraint("flag_id", name=op.f("uq_flag_resolutions_flag_id")),
    )
    op.create_table(
        "earlier_guidance",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("guidelines", sa.Text(), nullable=False),
        sa.Column("rubric", JSON, nullable=False),
        sa.Column("replaced_by_id", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_earlier_guidance_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["replaced_by_id"], ["users.id"], name=op.f("fk_earlier_guidance_replaced_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_guidance")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_earlier_guidance_project_id_number")),
    )
    op.create_table(
        "guidance_readings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_guidance_readings_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_guidance_readings_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guidance_readings")),
        sa.UniqueConstraint("project_id", "user_id", name=op.f("uq_guidance_readings_project_id_user_id")),
    )


def downgrade() -> None:
    op.drop_table("guidance_readings")
    op.drop_table("earlier_guidance")
    op.drop_table("flag_resolutions")
    op.drop_column("users", "keys")
    op.drop_column("leases", "opened_at")
