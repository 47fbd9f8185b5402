"""share runs out: how many processes a run began with"""

import sqlalchemy as sa
from alembic import op

revision = "a41f0c6be872"
down_revision = "4f81d7a2c690"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("processes", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "processes")
