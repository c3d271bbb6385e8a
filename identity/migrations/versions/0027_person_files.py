"""Person files of the console, and the journal of one subject by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "person_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("spellings", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("would_erase", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_person_files_operator_id_operators")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_files")),
    )
    op.create_index("ix_person_files_operator", "person_files", ["operator_id", "ends_at"])
    op.create_index("ix_person_files_address", "person_files", ["address", "opened_at"])
    op.create_index("ix_person_files_ends", "person_files", ["ends_at"])
    op.create_index("ix_journal_subject", "journal", ["subject", "at"])
    op.create_index("ix_journal_request_id", "journal", ["request_id"])


def downgrade() -> None:
    op.drop_index("ix_journal_request_id", "journal")
    op.drop_index("ix_journal_subject", "journal")
    op.drop_table("person_files")
