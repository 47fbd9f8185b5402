"""place samples on a map: where the last cluster run put each"""

import sqlalchemy as sa
from alembic import op

revision = "5b7e90c1f2d4"
down_revision = "e07c41d2f915"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("samples", sa.Column("map_x", sa.Float(), nullable=True))
    op.add_column("samples", sa.Column("map_y", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("samples", "map_y")
    op.drop_column("samples", "map_x")
