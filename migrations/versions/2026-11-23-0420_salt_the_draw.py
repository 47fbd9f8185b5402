"""a project's own secret for draws"""

import sqlalchemy as sa
from alembic import op

revision = "8c2f4e9d1b07"
down_revision = "f10e0a11d0c5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projects",
        sa.Column("draw_salt", sa.Text(), server_default=sa.text("gen_random_uuid()::text"), nullable=False),
    )
    op.create_index("ix_annotations_person", "annotations", ["project_id", "user_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_annotations_person", table_name="annotations")
    op.drop_column("projects", "draw_salt")
