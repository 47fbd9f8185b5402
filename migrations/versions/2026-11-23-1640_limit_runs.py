"""limit runs: the hours that a run may have, and what it has used"""

import sqlalchemy as sa
from alembic import op

revision = "7c2e5d90ab41"
down_revision = "5b7e90c1f2d4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("max_hours", sa.Float(), nullable=True))
    op.add_column("runs", sa.Column("seconds_used", sa.Float(), server_default="0", nullable=False))
    op.add_column("runs", sa.Column("cpu_seconds_used", sa.Float(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("cpu_seconds_used", "seconds_used", "max_hours"):
        op.drop_column("runs", name)
