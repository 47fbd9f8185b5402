"""select for review, decide over several annotations"""

from itertools import combinations
from statistics import mean

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5b1d0c6a7e21"
down_revision = "c41ff5e0ed03"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())
FOUR = "'accept', 'correct', 'return', 'reject'"
LATEST = "(SELECT max(n.id) FROM revisions n WHERE n.annotation_id = a.id)"


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True)


def _to(name: str, table: str, nullable: bool = False, **more: object) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), sa.ForeignKey(f"{table}.id"), nullable=nullable, **more)


def _moment(name: str = "created_at") -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.add_column("projects", sa.Column("review_rules", JSON, server_default="{}", nullable=False))
    op.alter_column("reviews", "reviewer_id", nullable=True)
    op.add_column("reviews", sa.Column("remarks", JSON, server_default="[]", nullable=False))
    op.drop_constraint(op.f("ck_reviews_verdict"), "reviews")
    op.create_check_constraint(
        op.f("ck_reviews_verdict"), "reviews", f"verdict IN ({FOUR}, 'adjudicate', 'reannotate')"
    )
    op.create_check_constraint(
        op.f("ck_reviews_a_rule_only_accepts"), "reviews", "reviewer_id IS NOT NULL OR verdict = 'accept'"
    )
    op.create_index("ix_reviews_verdict", "reviews", ["verdict", "revision_id"])
    op.create_table(
        "waiting",
        _to("annotation_id", "annotations", primary_key=True),
        _to("project_id", "projects"),
        _to("sample_id", "samples"),
        _to("user_id", "users"),
        sa.Column("why", JSON, nullable=False),
    )
    op.create_index(op.f("ix_waiting_sample_id"), "waiting", ["sample_id"])
    op.create_index("ix_waiting_queue", "waiting", ["project_id", "annotation_id"])
    op.create_table(
        "disagreements",
        _to("sample_id", "samples", primary_key=True),
        _to("project_id", "projects"),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float()),
    )
    op.create_index("ix_disagreements_value", "disagreements", ["project_id", sa.text("value DESC"), "sample_id"])
    op.create_table(
        "adjudications",
        _id(),
        _to("project_id", "projects"),
        _to("sample_id", "samples"),
        sa.Column("number", sa.Integer(), nullable=False),
        _to("author_id", "users"),
        sa.Column("content", JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revisions", JSON, nullable=False),
        _moment(),
        sa.UniqueConstraint("sample_id", "number"),
    )
    op.create_index(op.f("ix_adjudications_project_id"), "adjudications", ["project_id"])
    op.create_table(
        "reannotations",
        _id(),
        _to("project_id", "projects"),
        _to("author_id", "users"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("filters", JSON, nullable=False),
        _moment(),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        _to("undone_by_id", "users", nullable=True),
    )
    op.create_index(op.f("ix_reannotations_project_id"), "reannotations", ["project_id"])
    op.create_table(
        "reannotated",
        _to("reannotation_id", "reannotations", primary_key=True),
        _to("annotation_id", "annotations", primary_key=True),
        sa.Column("added_revision", sa.Boolean(), nullable=False),
    )
    _fill_the_queue()
    _measure_disagreement()


def _fill_the_queue() -> None:
    op.execute(
        f"""
        INSERT INTO waiting (annotation_id, project_id, sample_id, user_id, why)
        SELECT a.id, a.project_id, a.sample_id, a.user_id, '["all"]' FROM annotations a
        WHERE NOT EXISTS (SELECT 1 FROM reviews r WHERE r.revision_id = {LATEST})
        """
    )


def _measure_disagreement() -> None:
    """As `app.annotations.disagreement` measured it when this was written."""
    found: dict[tuple[int, int], list[dict]] = {}
    rows = op.get_bind().execute(
        sa.text(
            f"""
            SELECT a.sample_id, a.project_id, v.content FROM annotations a JOIN revisions v ON v.id = {LATEST}
            LEFT JOIN reviews r ON r.revision_id = v.id WHERE r.verdict IS DISTINCT FROM 'reject'
            """
        )
    )
    for sample, project, content in rows:
        found.setdefault((sample, project), []).append(content)
    for (sample, project), contents in found.items():
        if len(contents) > 1:
            op.get_bind().execute(
                sa.text("INSERT INTO disagreements VALUES (:sample, :project, :people, :value)"),
                {"sample": sample, "project": project, "people": len(contents), "value": _overall(contents)},
            )


def _overall(contents: list[dict]) -> float | None:
    cells: dict[tuple[str, str], list[int]] = {}
    for content in contents:
        for response, marks in content["scores"].items():
            for key, score in marks.items():
                cells.setdefault((response, key), []).append(score)
    spreads = [(max(marks) - min(marks)) / 4 for marks in cells.values() if len(marks) > 1]
    ranks = [{each: place for place, group in enumerate(c["ranking"]) for each in group} for c in contents]
    apart = [
        abs(_sign(one[a] - one[b]) - _sign(other[a] - other[b])) / 2
        for one, other in combinations([each for each in ranks if each], 2)
        for a, b in combinations(sorted(set(one) & set(other)), 2)
    ]
    parts = [mean(part) for part in (spreads, apart) if part]
    return mean(parts) if parts else None


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def downgrade() -> None:
    for table in ("reannotated", "reannotations", "adjudications", "disagreements", "waiting"):
        op.drop_table(table)
    op.drop_index("ix_reviews_verdict", table_name="reviews")
    op.drop_constraint(op.f("ck_reviews_a_rule_only_accepts"), "reviews")
    op.execute("DELETE FROM reviews WHERE reviewer_id IS NULL OR verdict IN ('adjudicate', 'reannotate')")
    op.drop_constraint(op.f("ck_reviews_verdict"), "reviews")
    op.create_check_constraint(op.f("ck_reviews_verdict"), "reviews", f"verdict IN ({FOUR})")
    op.drop_column("reviews", "remarks")
    op.alter_column("reviews", "reviewer_id", nullable=False)
    op.drop_column("projects", "review_rules")
