"""Who edited a change of rules, and which homeservers and organisations it touches."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "changes", sa.Column("editors", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
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


def downgrade() -> None:
    op.drop_table("change_touches")
    op.drop_column("changes", "editors")
