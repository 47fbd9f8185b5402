"""import as a job of the desk's worker, with its progress"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41d7be2a905"
down_revision = "b7d3e5f10a62"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    counts = [
        sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
        for name in ("reached", "added", "already", "faulty", "fence")
    ]
    texts = [
        sa.Column(name, sa.Text(), nullable=False) for name in ("token", "name", "source", "media", "aside", "shape")
    ]
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        *texts,
        sa.Column("mapping", JSON, nullable=False),
        sa.Column("dry", sa.Boolean(), nullable=False),
        sa.Column("total", sa.BigInteger()),
        *counts,
        sa.Column("faults", JSON, server_default="[]", nullable=False),
        sa.Column("heard_at", MOMENT),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("failure", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_imports_project_id_projects")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_imports_author_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("token", "dry", name=op.f("uq_imports_token")),
    )
    op.create_index("ix_imports_project_id", "imports", ["project_id"])
    op.create_index("ix_imports_waiting", "imports", ["id"], postgresql_where=sa.text("ended_at IS NULL"))


def downgrade() -> None:
    op.drop_table("imports")
