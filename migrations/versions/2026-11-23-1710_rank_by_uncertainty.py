"""rank by uncertainty: how close a reward model's rewards of a sample's responses are, for each offered run"""

import sqlalchemy as sa
from alembic import op

revision = "2b8c47d1f05e"
down_revision = "6d1f0a93be27"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uncertainties",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_uncertainties_sample_id_samples"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "sample_id", name=op.f("pk_uncertainties")),
    )
    op.create_index(op.f("ix_uncertainties_sample_id"), "uncertainties", ["sample_id"])
    op.execute(
        """
        INSERT INTO uncertainties (run_id, sample_id, value)
        SELECT one.run_id, one.sample_id, avg(2 / (1 + exp(least(abs(one.reward - two.reward), 50))))
        FROM assessments AS one
        JOIN assessments AS two ON two.run_id = one.run_id AND two.sample_id = one.sample_id AND two.id > one.id
        GROUP BY one.run_id, one.sample_id
        """
    )


def downgrade() -> None:
    op.drop_table("uncertainties")
