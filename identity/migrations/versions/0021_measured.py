"""With which request each thing began, for the log; and indexes by which /metrics counts."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TRACED = ("outbox", "mails", "verification_requests")


def upgrade() -> None:
    # Null: written before, or by the older version that still runs.
    for table in TRACED:
        op.add_column(table, sa.Column("trace_id", sa.String(), nullable=True))
    waiting = sa.text("done_at IS NULL AND gave_up_at IS NULL")
    op.create_index(
        "ix_outbox_measured",
        "outbox",
        ["lane", "errand", "due_at"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
    op.create_index(
        "ix_third_party_invitations_state", "third_party_invitations", ["state", "expires_at"]
    )


def downgrade() -> None:
    op.drop_index("ix_third_party_invitations_state", "third_party_invitations")
    op.drop_index("ix_outbox_measured", "outbox")
    for table in TRACED:
        op.drop_column(table, "trace_id")
