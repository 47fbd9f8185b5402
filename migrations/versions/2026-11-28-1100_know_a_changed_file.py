"""know a changed file: what an import's file looked like, so that one changed meanwhile is read from its beginning"""

import sqlalchemy as sa
from alembic import op

revision = "a7c3e19d52b8"
down_revision = "f2b90d47a6c3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("imports", sa.Column("fingerprint", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("imports", "fingerprint")
