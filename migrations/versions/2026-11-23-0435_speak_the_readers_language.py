"""speak the reader's language: what each person chose"""

import sqlalchemy as sa
from alembic import op

revision = "1a9c0a6e0001"
down_revision = "a3f0c9d24b17"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("language", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "language")
