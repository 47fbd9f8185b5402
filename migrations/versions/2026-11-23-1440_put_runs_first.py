"""put runs first or last: a priority, by which trainers choose among those that wait"""

import sqlalchemy as sa
from alembic import op

revision = "e07c41d2f915"
down_revision = "d19e5b0c7a33"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("runs", "priority")
