"""Indexes by which /readyz and /metrics find what waits, and pass over what is held or over."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# The version before finds what it looks for by these as well, or by ix_outbox_waiting.
INDEXES = (
    ("ix_outbox_age", "outbox", "done_at IS NULL AND gave_up_at IS NULL", "held_by IS NULL"),
    (
        "ix_third_party_invitations_held",
        "third_party_invitations",
        "awaits IS NOT NULL",
        "ended_at IS NULL",
    ),
)


def upgrade() -> None:
    for name, table, before, further in INDEXES:
        _make_anew(name, table, f"{before} AND {further}")


def downgrade() -> None:
    for name, table, before, _further in INDEXES:
        _make_anew(name, table, before)


def _make_anew(name: str, table: str, which: str) -> None:
    op.drop_index(name, table)
    where = sa.text(which)
    op.create_index(name, table, ["created_at"], postgresql_where=where, sqlite_where=where)
