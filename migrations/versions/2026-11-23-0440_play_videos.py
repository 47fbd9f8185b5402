"""play videos beside their sampled frames"""

import sqlalchemy as sa
from alembic import op

revision = "a3f0c9d24b17"
down_revision = "7d0a5a2c91be"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("media", sa.Column("at_seconds", sa.Float()))
    op.drop_constraint(op.f("ck_media_medium_kind"), "media")
    op.create_check_constraint(op.f("ck_media_medium_kind"), "media", "kind IN ('image', 'frame', 'video')")


def downgrade() -> None:
    op.execute("DELETE FROM media WHERE kind = 'video'")
    op.drop_constraint(op.f("ck_media_medium_kind"), "media")
    op.create_check_constraint(op.f("ck_media_medium_kind"), "media", "kind IN ('image', 'frame')")
    op.drop_column("media", "at_seconds")
