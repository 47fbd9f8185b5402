"""guard the door: second factors, password links, API tokens, and an audit log that can only grow"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d0a5a2c91be"
down_revision = "8c2f4e9d1b07"
branch_labels = None
depends_on = None

KEEP = """
CREATE FUNCTION keep_audit_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.sha256 IS NULL AND NEW.sha256 IS NOT NULL AND NEW.place IS NOT NULL
       AND (NEW.id, NEW.at, NEW.user_id, NEW.project_id, NEW.action, NEW.subject, NEW.detail)
           IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.user_id, OLD.project_id, OLD.action, OLD.subject, OLD.detail) THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit entries are only ever added';
END $$
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("deactivated_at", sa.DateTime(timezone=True)))
    op.add_column("sign_ins", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "sign_ins",
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("sign_ins", sa.Column("awaits_code", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("recovery_sha256", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "password_links",
        *_of_a_user("password_links"),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("made_by", sa.BigInteger()),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("purpose IN ('invitation', 'reset')", name=op.f("ck_password_links_purpose_is_known")),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name=op.f("fk_password_links_made_by_users")),
    )
    op.create_table(
        "api_tokens",
        *_of_a_user("api_tokens"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("scope IN ('read', 'write')", name=op.f("ck_api_tokens_scope_is_known")),
    )
    for table in ("password_links", "api_tokens"):
        op.create_index(op.f(f"ix_{table}_user_id"), table, ["user_id"])
    op.add_column("audit_entries", sa.Column("place", sa.BigInteger()))
    op.add_column("audit_entries", sa.Column("sha256", sa.Text()))
    op.create_unique_constraint(op.f("uq_audit_entries_place"), "audit_entries", ["place"])
    op.create_index("ix_audit_entries_unsealed", "audit_entries", ["id"], postgresql_where=sa.text("sha256 IS NULL"))
    op.execute(KEEP)
    op.execute(
        "CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON audit_entries "
        "FOR EACH ROW EXECUTE FUNCTION keep_audit_entries()"
    )
    op.execute(
        "CREATE TRIGGER keep_table BEFORE TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_entries()"
    )


def _of_a_user(table: str) -> list[sa.schema.SchemaItem]:
    """What links and tokens have alike: an owner, a hashed secret, and an end."""
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("secret_sha256", name=op.f(f"uq_{table}_secret_sha256")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id_users"), ondelete="CASCADE"),
    ]


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_rows ON audit_entries")
    op.execute("DROP TRIGGER keep_table ON audit_entries")
    op.execute("DROP FUNCTION keep_audit_entries()")
    op.drop_index("ix_audit_entries_unsealed", "audit_entries")
    op.drop_column("audit_entries", "sha256")
    op.drop_column("audit_entries", "place")
    for table in ("api_tokens", "password_links", "second_factors"):
        op.drop_table(table)
    for column in ("awaits_code", "last_seen_at", "address"):
        op.drop_column("sign_ins", column)
    op.drop_column("users", "deactivated_at")
