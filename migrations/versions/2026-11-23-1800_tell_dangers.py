"""tell dangers: what a safety sample is about, and who wants such pictures veiled"""

import sqlalchemy as sa
from alembic import op

revision = "f2b90d47a6c3"
down_revision = "c61f08a4b2d9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("samples", sa.Column("danger", sa.Text(), server_default="", nullable=False))
    op.add_column("users", sa.Column("veils", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("users", "veils")
    op.drop_column("samples", "danger")
