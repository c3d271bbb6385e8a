"""Changes of rules that are stored, checked, approved and applied."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("editors", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("check_began_at", MOMENT, nullable=True),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("to_check", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("proposed_at", MOMENT, nullable=True),
        sa.Column("proposed_by", sa.String(), nullable=True),
        sa.Column("approved_at", MOMENT, nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_by_id", sa.Uuid(), nullable=True),
        sa.Column("promised", sa.JSON(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("applied_at", MOMENT, nullable=True),
        sa.Column("applied_by", sa.String(), nullable=True),
        sa.Column("applied_by_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("broken_glass_at", MOMENT, nullable=True),
        sa.Column("broken_glass_reason", sa.String(), nullable=False),
        sa.Column("review_until", MOMENT, nullable=True),
        sa.Column("reviewed_at", MOMENT, nullable=True),
        sa.Column("reviewed_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["reverses"], ["changes.id"], name=op.f("fk_changes_reverses_changes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sa.UniqueConstraint("number", name=op.f("uq_changes_number")),
        sa.UniqueConstraint("revision", name=op.f("uq_changes_revision")),
    )
    op.create_index("ix_changes_state", "changes", ["state", "changed_at"])
    op.create_table(
        "change_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=True),
        sa.Column("allows_public", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["changes.id"], name=op.f("fk_change_lines_change_id_changes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_lines")),
        sa.UniqueConstraint(
            "change_id", "kind", "pattern", name=op.f("uq_change_lines_change_id_kind_pattern")
        ),
    )
    op.create_index("ix_change_lines_place", "change_lines", ["change_id", "place"])
    op.create_table(
        "change_effects",
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("effect", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["changes.id"], name=op.f("fk_change_effects_change_id_changes")
        ),
        sa.PrimaryKeyConstraint("change_id", "effect", "domain", name=op.f("pk_change_effects")),
    )
    op.create_table(
        "change_touches",
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["changes.id"], name=op.f("fk_change_touches_change_id_changes")
        ),
        sa.PrimaryKeyConstraint(
            "change_id", "homeserver", "organisation", name=op.f("pk_change_touches")
        ),
    )
    op.create_table(
        "rule_imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("exactly", sa.Boolean(), nullable=False),
        sa.Column("of_lists", sa.JSON(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("organisations", sa.JSON(), nullable=False),
        sa.Column("homeservers", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.Column("change_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_imports")),
    )
    op.create_index(op.f("ix_rule_imports_operator_id"), "rule_imports", ["operator_id"])
    op.create_index(op.f("ix_rule_imports_made_at"), "rule_imports", ["made_at"])


def downgrade() -> None:
    op.drop_table("rule_imports")
    op.drop_table("change_touches")
    op.drop_table("change_effects")
    op.drop_table("change_lines")
    op.drop_table("changes")
