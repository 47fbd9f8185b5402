"""keep margins: the reward margins that came with imported pairs"""

import sqlalchemy as sa
from alembic import op

revision = "b3d81f6c40ea"
down_revision = "a7c3e19d52b8"
branch_labels = None
depends_on = None

TABLE = "margins"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("chosen_id", sa.BigInteger(), nullable=False),
        sa.Column("rejected_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{table}.id"], name=op.f(f"fk_margins_{column}_{table}"), ondelete="CASCADE"
            )
            for column, table in (("chosen_id", "responses"), ("rejected_id", "responses"), ("sample_id", "samples"))
        ),
        sa.PrimaryKeyConstraint("chosen_id", "rejected_id", name=op.f("pk_margins")),
    )
    op.create_index(op.f("ix_margins_rejected_id"), TABLE, ["rejected_id"])
    op.create_index(op.f("ix_margins_sample_id"), TABLE, ["sample_id"])


def downgrade() -> None:
    op.drop_table(TABLE)
