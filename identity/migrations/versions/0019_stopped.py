"""Operators can freeze, hold, suspend, retire and block; jobs can be held."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
STOPS = ("held_at", "held_until", "suspended_at", "retired_at")


def upgrade() -> None:
    op.create_table(
        "freezes",
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("what", "domain", name=op.f("pk_freezes")),
    )
    op.create_table(
        "inviter_blocks",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_inviter_blocks")),
    )
    for name in STOPS:
        op.add_column("homeservers", sa.Column(name, MOMENT, nullable=True))
    op.add_column("outbox", sa.Column("held_by", sa.String(), nullable=True))
    op.add_column("outbox", sa.Column("held_at", MOMENT, nullable=True))
    op.add_column("outbox", sa.Column("released_at", MOMENT, nullable=True))
    is_held = sa.text("held_by IS NOT NULL")
    op.create_index(
        "ix_outbox_held",
        "outbox",
        ["held_by"],
        postgresql_where=is_held,
        sqlite_where=is_held,
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_held", "outbox")
    # An older version knows no hold: what is held becomes due, as nothing would release it.
    op.execute("UPDATE outbox SET due_at = held_at WHERE held_by IS NOT NULL")
    for name in ("released_at", "held_at", "held_by"):
        op.drop_column("outbox", name)
    for name in reversed(STOPS):
        op.drop_column("homeservers", name)
    op.drop_table("inviter_blocks")
    op.drop_table("freezes")
