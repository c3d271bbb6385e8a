"""What a loaded backup needs: one row about the whole database, and the invitations it lost."""

import secrets

import sqlalchemy as sa
from alembic import op

from identity.core.clock import utc_now

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

NAME_BYTES = 8


def upgrade() -> None:
    table = op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("ticks", sa.BigInteger(), nullable=False),
        sa.Column("held_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_why", sa.String(), nullable=False),
        sa.Column("held_epoch", sa.BigInteger(), nullable=False),
        sa.Column("held_ticks", sa.BigInteger(), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ahead_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ahead", sa.String(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("backup_of", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    # Made here and not by whoever needs it first: a row that is missing shows that a backup is
    # being loaded, and one made meanwhile would take the place of its own.
    first = {
        "id": 1,
        "name": secrets.token_hex(NAME_BYTES),
        "made_at": utc_now(),
        "epoch": 0,
        "ticks": 0,
        "held_why": "",
        "held_epoch": 0,
        "held_ticks": 0,
        "ahead": "",
    }
    op.bulk_insert(table, [first])
    op.create_table(
        "lost_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("emptied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lost_invitations")),
        sa.UniqueConstraint("token", name=op.f("uq_lost_invitations_token")),
    )


def downgrade() -> None:
    op.drop_table("lost_invitations")
    op.drop_table("installation")
