"""find videos: an index of them among pictures and frames, for the sweep that looks for those without frames"""

import sqlalchemy as sa
from alembic import op

revision = "d07e52b91c4f"
down_revision = "b3d81f6c40ea"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_media_videos", "media", ["id"], postgresql_where=sa.text("kind = 'video'"))


def downgrade() -> None:
    op.drop_index("ix_media_videos", "media")
