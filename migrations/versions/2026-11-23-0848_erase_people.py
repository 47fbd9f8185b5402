"""erase people: since when an account is a pseudonym"""

import sqlalchemy as sa
from alembic import op

revision = "b7d3e5f10a62"
down_revision = "6f2be0c1d9a4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "erased_at")
