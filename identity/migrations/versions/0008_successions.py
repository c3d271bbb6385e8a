"""Which account has the address of which other one now."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "successions",
        sa.Column("predecessor", sa.String(), nullable=False),
        sa.Column("successor", sa.String(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("predecessor", "successor", name=op.f("pk_successions")),
    )
    op.create_index(op.f("ix_successions_successor"), "successions", ["successor"])
    op.create_index(op.f("ix_successions_noted_at"), "successions", ["noted_at"])
    # The same address, proved by another account later.
    op.execute(
        "INSERT INTO successions (predecessor, successor, noted_at)"
        " SELECT one.user_id, other.user_id, max(other.proved_at)"
        " FROM proved_addresses AS one JOIN proved_addresses AS other"
        " ON other.address = one.address AND other.user_id <> one.user_id"
        " AND other.proved_at > one.proved_at"
        " GROUP BY one.user_id, other.user_id"
    )


def downgrade() -> None:
    op.drop_table("successions")
