"""ask two policies: the playground's turns, what comes back, and votes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c61f08a4b2d9"
down_revision = "c41f7a9e2d60"
branch_labels = None
depends_on = None

TURNS = "playground_turns"


def upgrade() -> None:
    op.create_table(
        TURNS,
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("medium_id", sa.BigInteger(), nullable=True),
        sa.Column("blob_sha256", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("left_id", sa.BigInteger(), nullable=True),
        sa.Column("right_id", sa.BigInteger(), nullable=True),
        sa.Column("reward_id", sa.BigInteger(), nullable=True),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("longest", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "left_id IS NOT NULL OR right_id IS NOT NULL", name=op.f("ck_playground_turns_a_policy_answers")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_playground_turns_project_id_projects")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_playground_turns_user_id_users")),
        sa.ForeignKeyConstraint(
            ["medium_id"], ["media.id"], name=op.f("fk_playground_turns_medium_id_media"), ondelete="SET NULL"
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], ["checkpoints.id"], name=op.f(f"fk_playground_turns_{column}_checkpoints"), ondelete="CASCADE"
            )
            for column in ("left_id", "right_id", "reward_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playground_turns")),
    )
    op.create_index("ix_playground_turns_project_id", TURNS, ["project_id"])
    op.create_index("ix_playground_turns_medium_id", TURNS, ["medium_id"])
    op.create_index("ix_playground_turns_user", TURNS, ["user_id", "id"])
    is_open = sa.text("ended_at IS NULL")
    op.create_index("uq_playground_turns_open", TURNS, ["user_id"], unique=True, postgresql_where=is_open)
    op.create_index("ix_playground_turns_waiting", TURNS, ["id"], postgresql_where=is_open)
    op.create_table(
        "playground_pieces",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("turn_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], [f"{TURNS}.id"], name=op.f("fk_playground_pieces_turn_id_playground_turns"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playground_pieces")),
    )
    op.create_index("ix_playground_pieces_turn", "playground_pieces", ["turn_id", "id"])
    op.create_table(
        "playground_votes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("turn_id", sa.BigInteger(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("choice IN ('left', 'right', 'tie')", name=op.f("ck_playground_votes_choice_is_known")),
        sa.ForeignKeyConstraint(
            ["turn_id"], [f"{TURNS}.id"], name=op.f("fk_playground_votes_turn_id_playground_turns"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playground_votes")),
        sa.UniqueConstraint("turn_id", name=op.f("uq_playground_votes_turn_id")),
    )


def downgrade() -> None:
    for table in ("playground_votes", "playground_pieces", TURNS):
        op.drop_table(table)
