"""set decisions aside: an adjudication that an order to annotate again has overtaken"""

import sqlalchemy as sa
from alembic import op

revision = "5e71a0c4d902"
down_revision = "5e71a0c4d901"
branch_labels = None
depends_on = None
OVERTAKEN = """
UPDATE adjudications SET set_aside_by_id = (
  SELECT max(o.id) FROM reannotations o JOIN reannotated r ON r.reannotation_id = o.id
  JOIN annotations a ON a.id = r.annotation_id
  WHERE a.sample_id = adjudications.sample_id AND o.undone_at IS NULL AND o.created_at > adjudications.created_at)
"""


def upgrade() -> None:
    op.add_column("adjudications", sa.Column("set_aside_by_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_adjudications_set_aside_by_id_reannotations"),
        "adjudications",
        "reannotations",
        ["set_aside_by_id"],
        ["id"],
    )
    op.execute(OVERTAKEN)
    op.create_index(op.f("ix_adjudications_set_aside_by_id"), "adjudications", ["set_aside_by_id"])


def downgrade() -> None:
    op.drop_column("adjudications", "set_aside_by_id")
